"""Reinforcement learning on one machine by the reactor model."""

from reactvec.compiler import compile
from reactvec.execution import Execution
from reactvec.schedule import Schedule
from reactvec.topology import (
    CausalityLoop,
    InputPort,
    OutputPort,
    Reactor,
    Timing,
    Topology,
    TopologyError,
    present,
    reaction,
)

__all__ = ["CausalityLoop", "Execution", "InputPort", "OutputPort", "Reactor", "Schedule", "Timing", "Topology", "TopologyError", "compile", "present", "reaction"]
