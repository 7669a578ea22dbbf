"""sin and cos of many numbers, bit for bit as np.sin and np.cos give them for one number."""

import numpy as np
import numpy.typing as npt

def tables(angles: npt.NDArray[np.float64], proven: bool) -> npt.NDArray[np.float64]:
    """The sines and the cosines, float64[2, n], of a C-contiguous float64[n].

    `proven` asks NumPy only for the angles whose result a polynomial cannot prove, on machines where that may
    be done; see _trigonometry.h.
    """
