"""What acts, records and learns without Python: networks, action heads and rollouts in C."""
