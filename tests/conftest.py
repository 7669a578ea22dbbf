"""What all tests start from."""

import signal

# A shell that starts a program in the background lets it ignore Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
