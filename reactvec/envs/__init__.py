"""Native kernels of well-known environments, one per file."""
