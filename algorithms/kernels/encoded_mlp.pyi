from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.algorithms.kernels.mlp import MlpWeights

F32 = npt.NDArray[np.float32]

class EncodedMlpKernel(MlpWeights):
    """A fully connected network over the rows of an observation port of `row_dtype`; heirs say what it computes."""

    row_dtype: np.dtype[Any]

    def forward(self, packed: F32, rows: npt.NDArray[Any]) -> F32:
        """Outputs `[n, outputs]` for contiguous rows `[n, ...]` of the port."""
