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
Columns: TypeAlias = "dict[str, Array]"


class NativeInfos:
    """Reads the ports `info` and `final_info` of the bank of a kernel, and has wrappers record its episodes."""

    def __init__(self, kernel: KernelBank, autoreset_mode: AutoresetMode) -> None:
        self._kernel = kernel
        self._same_step = autoreset_mode is AutoresetMode.SAME_STEP
        names = () if kernel.info_type is None else kernel.info_type.names or ()
        self._names = [name for name in names if name != "begun"]
        self._recorders = kernel.recorders
        self._is_silent = self._recorders is None and not self._names
        self._all = np.ones(kernel.num_envs, np.bool_)
        self._views: dict[int, Columns] = {}  # of the slots of both ports
        self._recorded: dict[int, Infos] = {}  # the infos of last steps, where somebody records them

    def follow(self, results: Results) -> None:
        """Take note of a step, before anything is asked about it."""
        recorders = self._recorders
        if recorders is None:
            return
        recorders.begin_all()
        self._recorded = {}
        for i in ended_rows(results.terminated, results.truncated):
            flags = bool(results.terminated[i]), bool(results.truncated[i])
            info = self._info(results.final_info if self._same_step else results.info, i)
            self._recorded[i] = recorders.finish(i, float(results.reward[i]), *flags, info)
            if self._same_step:
                recorders.begin(i)

    def batched(self, add_info: AddInfo, results: Results, ended: Sequence[int]) -> Infos:
        """The infos of all rows, and the last observations and infos of the rows that `ended` in this step.

        As in Gymnasium the first row decides on the type of an array, and its keys come first.
        """
        if self._is_silent and not ended:
            return {}
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
        columns = self._columns(port)
        first = columns["begun"][0]
        for name in self._names:
            reset_type = self._kernel.reset_types.get(name) if first else None
            infos[name] = columns[name].astype(reset_type) if reset_type else columns[name].copy()
            infos[f"_{name}"] = self._all.copy()

    def _columns(self, port: Array) -> Columns:
        """The fields of a slot of one of the ports, each `[N, *shape]`; see `info_column` in kernel_bank.h."""
        if id(port) not in self._views:
            count, data = len(port), port.view(np.uint8)
            fields: Any = port.dtype.fields or {}
            self._views[id(port)] = {
                name: data[at * count :][: dtype.itemsize * count].view(dtype.base).reshape(count, *dtype.shape)
                for name, (dtype, at, *_) in fields.items()
            }
        return self._views[id(port)]

    def rows(self, results: Results) -> list[tuple[Infos, ...] | None] | None:
        """The info dict of each row; None where no row has any."""
        return [(self._info(results.info, i),) for i in range(self._kernel.num_envs)] if self._names else None

    def end(self, results: Results, i: int) -> End:
        """The last observation and info of a row that was reset in this step, and in a list the info of the reset."""
        observation = self._kernel.observation(results.final_obs[i])
        info = self._recorded.get(i)
        info = self._info(results.final_info, i) if info is None else info
        return observation, info, [self._info(results.info, i)] if self._names else []

    def _info(self, port: Array, i: int) -> Infos:
        columns = self._columns(port) if self._names else {}
        return {name: self._value(name, columns[name][i], columns["begun"][i]) for name in self._names}

    def _value(self, name: str, value: Any, begun: bool) -> Any:
        if isinstance(value, np.ndarray):
            return value.copy()
        reset_type = self._kernel.reset_types.get(name) if begun else None
        return reset_type(value) if reset_type else value.item()
