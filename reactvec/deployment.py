"""A bank of environments at work in one place: its schedule, its execution, and what it reads and writes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy.typing as npt
from gymnasium.vector.utils import clear_mpi_env_vars

from reactvec.compiler import compile
from reactvec.env_bank import EnvBank
from reactvec.execution import Execution
from reactvec.placement import Placement
from reactvec.port_types import assign, unpack
from reactvec.processes import ProcessOptions
from reactvec.recovery import Recovery, naming_environments
from reactvec.schedule import Schedule
from reactvec.sharing import Sharing
from reactvec.topology import OutputPort, Topology

Array = npt.NDArray[Any]


class Results(NamedTuple):
    """What the environments return at a tag, a row for each: the slabs of an `EnvBank`'s ports of these names.

    Observations of Dict and Tuple spaces are nested views of their slab.
    """

    obs: Any
    reward: Array
    terminated: Array
    truncated: Array
    final_obs: Array
    infos: Array
    info: Any  # None where environments are not native
    final_info: Any


def topology_of(bank: EnvBank) -> Topology:
    """A program of nothing but these environments."""
    topology = Topology()
    topology.add("envs", bank)
    topology.external(bank.action)
    topology.external(bank.request)
    return topology


class Deployment:
    """Compiles and starts the `topology_of` a bank in a place. Another place is another deployment.

    Attributes:
        action, request: the inputs of the bank, to write into before a command begins.
        recovery: brings back what dies.
        sharing: judges whether the place pays, where `adapts`; None where nobody asks.

    Raises:
        EnvironmentsLostError: a worker process died while it started.
        Exception: what an environment raised when it was built.
    """

    def __init__(
        self, topology: Topology, bank: EnvBank, place: Placement, processes: ProcessOptions, adapts: bool = False
    ) -> None:
        self.bank, self.place = bank, place
        self.schedule: Schedule = compile(topology, place.scheduled, place.isolated)
        with clear_mpi_env_vars(), naming_environments(self.schedule):
            self.execution = Execution(topology, self.schedule, processes if place.name == "processes" else None)
        self.action = self.execution.input(bank.action)
        self.request = self.execution.input(bank.request)
        self._results = [
            Results(*(self._slot(getattr(bank, name, None), slot) for name in Results._fields)) for slot in range(2)
        ]
        (self._answers,) = self.execution.slots(bank.answer)  # of asides
        self.recovery = Recovery(bank, self.execution, self.request, self._results)
        self.sharing = Sharing(self.execution) if adapts else None

    def _slot(self, port: OutputPort | None, slot: int) -> Any:
        if port is None:
            return None
        values = self.execution.slots(port)[slot]
        structured = port is self.bank.obs and not port.dtype.hasobject
        return unpack(self.bank.single_observation_space, values) if structured else values

    def results(self) -> Results:
        """Those of the last tag, to be read or completed; views that the next tag but one overwrites."""
        return self._results[(self.execution.tag - 1) & 1]

    def take_answers(self) -> list[Any]:
        """The answers of the last command that gives any, which are not kept."""
        answers: list[Any] = self._answers.tolist()
        self._answers.fill(None)
        return answers

    def has_answers(self) -> bool:
        """Whether there are answers that nobody took."""
        return any(answer is not None for answer in self._answers.tolist())

    def follow(self, other: Deployment) -> None:
        """Begin with the results that the other one had last."""
        last = other.results()
        for slot in self._results:
            for values, kept in zip(slot, last, strict=True):
                if values is not None:
                    assign(values, kept)

    @property
    def is_pending(self) -> bool:
        """Whether a command was begun and waits to be finished, or for environments to come back."""
        return self.execution.begun or self.recovery.is_under_way
