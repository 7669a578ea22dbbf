"""`python -m reactvec`: the command line."""

import sys

from reactvec.cli import main

if __name__ == "__main__":
    sys.exit(main())
