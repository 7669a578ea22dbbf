"""sin and cos of many numbers, bit for bit as np.sin and np.cos give them for one number."""

import numpy as np
import numpy.typing as npt

def tables(angles: npt.NDArray[np.float64], proven: bool, small: bool) -> npt.NDArray[np.float64]:
    """The sines and the cosines, float64[2, n], of a C-contiguous float64[n].

    `small` is quicker for angles below 0.3. `proven` asks NumPy only for the angles whose result a polynomial cannot
    prove, on machines where that may be done; see _trigonometry.h.
    """

def squared(numbers: npt.NDArray[np.float64], proven: bool) -> npt.NDArray[np.float64]:
    """Each number to the power of 2, as the C library's pow gives it, float64[n]; `proven` as above."""

def missing() -> str | None:
    """Why nothing of this can be had on this machine, or None."""
