"""The infos of rows that a kernel has stepped: columns of numbers, from which come the dicts that Python would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from reactvec._stepping import ended_rows
from reactvec.infos import AddInfo, End, Infos

if TYPE_CHECKING:
    from reactvec.deployment import Results
    from reactvec.envs.kernel_bank import KernelBank

Array: TypeAlias = "npt.NDArray[Any]"


class NativeInfos:
    """Reads the ports `info` and `final_info` of the bank of a kernel, and has wrappers record its episodes."""

    def __init__(self, kernel: KernelBank, autoreset_mode: AutoresetMode) -> None:
        self._kernel = kernel
        self._same_step = autoreset_mode is AutoresetMode.SAME_STEP
        names = () if kernel.info_type is None else kernel.info_type.names or ()
        self._names = [name for name in names if name != "begun"]
        self._all = np.ones(kernel.num_envs, np.bool_)
        self._views: dict[int, tuple[list[tuple[str, Array, str]], Array]] = {}
        self._recorded: dict[int, Infos] = {}  # the infos of last steps, where somebody records them

    def follow(self, results: Results) -> None:
        """Take note of a step, before anything is asked about it."""
        recorders = self._kernel.recorders
        if recorders is None:
            return
        recorders.begin_all()
        self._recorded = {}
        for i in ended_rows(results.terminated, results.truncated):
            flags = bool(results.terminated[i]), bool(results.truncated[i])
            info = self._info(results.final_info[i] if self._same_step else results.info[i])
            self._recorded[i] = recorders.finish(i, float(results.reward[i]), *flags, info)
            if self._same_step:
                recorders.begin(i)

    def batched(self, add_info: AddInfo, results: Results, ended: Sequence[int]) -> Infos:
        """The infos of all rows, and the last observations and infos of the rows that `ended` in this step.

        As in Gymnasium the first row decides on the type of an array, and its keys come first.
        """
        told = {} if self._same_step else dict(self._recorded)
        for i in ended:
            observation, info, _ = self.end(results, i)
            told[i] = {"final_obs": observation, "final_info": info}
        infos = add_info({}, told.pop(0), 0) if 0 in told else {}
        if self._names:
            self._add_columns(infos, results.info)
        for i, info in told.items():
            infos = add_info(infos, info, i)
        return infos

    def _add_columns(self, infos: Infos, port: Array) -> None:
        columns, begun = self._views.get(id(port)) or self._view(port)
        first = begun[0]
        for name, column, mask in columns:
            reset_type = self._kernel.reset_types.get(name) if first else None
            infos[name] = column.astype(reset_type) if reset_type else column.copy()
            infos[mask] = self._all.copy()

    def _view(self, port: Array) -> tuple[list[tuple[str, Array, str]], Array]:
        """The columns of one of the two slots of the port."""
        columns = [(name, port[name], f"_{name}") for name in self._names]
        self._views[id(port)] = columns, port["begun"]
        return self._views[id(port)]

    def rows(self, results: Results) -> list[tuple[Infos, ...] | None] | None:
        """The info dict of each row; None where no row has any."""
        return [(self._info(row),) for row in results.info] if self._names else None

    def end(self, results: Results, i: int) -> End:
        """The last observation and info of a row that was reset in this step, and in a list the info of the reset."""
        observation = self._kernel.observation(results.final_obs[i])
        info = self._recorded.get(i)
        info = self._info(results.final_info[i]) if info is None else info
        return observation, info, [self._info(results.info[i])] if self._names else []

    def _info(self, row: Array) -> Infos:
        return {name: self._value(name, row) for name in self._names}

    def _value(self, name: str, row: Array) -> Any:
        value = row[name]
        if isinstance(value, np.ndarray):
            return value.copy()
        reset_type = self._kernel.reset_types.get(name) if row["begun"] else None
        return reset_type(value) if reset_type else value.item()
