"""The infos of rows that a kernel has stepped: columns of numbers, from which come the dicts that Python would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reactvec.infos import AddInfo, End, Infos

if TYPE_CHECKING:
    from reactvec.deployment import Results
    from reactvec.envs.kernel_bank import KernelBank

Array: TypeAlias = "npt.NDArray[Any]"


class NativeInfos:
    """Reads the ports `info` and `final_info` of the bank of a kernel."""

    def __init__(self, kernel: KernelBank) -> None:
        self._kernel = kernel
        names = () if kernel.info_type is None else kernel.info_type.names or ()
        self._names = [name for name in names if name != "begun"]

    def batched(self, add_info: AddInfo, results: Results, ended: Sequence[int]) -> Infos:
        """The infos of all rows, and the last observations and infos of the rows that `ended` in this step.

        As in Gymnasium the first row decides on the type of an array, and its keys come first.
        """
        ends = {i: self.end(results, i) for i in ended}
        told = {i: {"final_obs": observation, "final_info": info} for i, (observation, info, _) in ends.items()}
        infos = add_info({}, told.pop(0, {}), 0)
        for name in self._names:
            column = results.info[name]
            first = self._kernel.reset_types.get(name) if results.info["begun"][0] else None
            infos[name], infos[f"_{name}"] = column.astype(first or column.dtype), np.ones(len(column), np.bool_)
        for i, end in told.items():
            infos = add_info(infos, end, i)
        return infos

    def rows(self, results: Results) -> list[tuple[Infos, ...] | None] | None:
        """The info dict of each row; None where no row has any."""
        return [(self._info(row),) for row in results.info] if self._names else None

    def end(self, results: Results, i: int) -> End:
        """The last observation and info of a row that was reset in this step, and in a list the info of the reset."""
        observation = self._kernel.observation(results.final_obs[i])
        if not self._names:
            return observation, {}, []
        return observation, self._info(results.final_info[i]), [self._info(results.info[i])]

    def _info(self, row: Array) -> Infos:
        return {name: self._value(name, row) for name in self._names}

    def _value(self, name: str, row: Array) -> Any:
        value = row[name]
        if isinstance(value, np.ndarray):
            return value.copy()
        reset_type = self._kernel.reset_types.get(name) if row["begun"] else None
        return reset_type(value) if reset_type else value.item()
