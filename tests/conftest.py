"""What all tests start from."""

import contextlib
import signal

# A shell that starts a program in the background lets it ignore Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

with contextlib.suppress(ModuleNotFoundError):  # where a wheel or RLlib is tested, it is not installed
    import hypothesis

    # How long an example takes says how busy the machine is, and nothing about the code.
    hypothesis.settings.register_profile("unhurried", deadline=None)
    hypothesis.settings.load_profile("unhurried")
