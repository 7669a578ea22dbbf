"""Learning algorithms, each written as a reactor program."""
