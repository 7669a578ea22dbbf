"""Banks of environments that walk over a table of transitions, Gymnasium's `P`, and what they share.

The table, the distribution of first states, and what the environment tells of its actions are read from the Python
object, so that any of them may be set; equal ones are kept once.
"""

import numpy as np

from reactvec.envs.kernel_bank import KernelBank

INFO: np.dtype[np.void]
"""The info "prob" and the flag "begun"."""

class Walks(KernelBank):
    """A bank of walks: action int64[n], obs int64[n]. An action that is none of the table's is a KeyError."""

    @property
    def kept_tables(self) -> int:
        """How many different tables it keeps."""
