"""What is under way between two tags, taken from one execution into another."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, present, reaction


class Echo(Reactor):
    """Adds to what it hears from itself, and from a reactor that speaks now and then."""

    heard = InputPort((), np.int64)
    word = InputPort((), np.int64)
    said = OutputPort((), np.int64)

    @reaction(sources=[heard, word, present(word)], effects=[said])
    def speak(self, heard: Any, word: Any, fresh: Any, said: Any) -> None:
        said[()] = heard * 3 + (word if fresh else 1)


class Speaker(Reactor):
    """Says how often it has spoken."""

    word = OutputPort((), np.int64)

    def __init__(self, period: Fraction) -> None:
        super().__init__()
        self.period, self.spoken = period, 0

    @reaction(effects=[word], period="period")
    def speak(self, word: Any) -> None:
        self.spoken += 1
        word[()] = self.spoken


def program(period: Fraction, delays: tuple[int, int], workers: int) -> tuple[Execution, Echo, Speaker]:
    topology = Topology()
    speaker = topology.add("speaker", Speaker(period))
    echo = topology.add("echo", Echo())
    topology.connect(echo.said, echo.heard, delay=delays[0], initial=2)
    topology.connect(speaker.word, echo.word, delay=delays[1])
    return Execution(topology, compile(topology, workers)), echo, speaker


@given(
    period=st.fractions(1, 5, max_denominator=4),
    delays=st.tuples(st.integers(1, 5), st.integers(0, 9)),
    before=st.integers(0, 20),
    workers=st.integers(1, 2),
)
@settings(max_examples=60)
def test_another_execution_goes_on(period: Fraction, delays: tuple[int, int], before: int, workers: int) -> None:
    whole, echo, speaker = program(period, delays, 1)
    other, other_echo, other_speaker = program(period, delays, workers)
    with whole, other:
        whole.advance(before)
        state = whole.snapshot()
        assert other.fits(state)
        other.go_on(state)
        other_speaker.spoken = speaker.spoken
        for _ in range(12):
            whole.advance()
            other.advance()
            assert other.tag == whole.tag
            assert other.read(other_echo.said) == whole.read(echo.said)


def test_a_snapshot_is_a_copy() -> None:
    whole, echo, _ = program(Fraction(2), (1, 1), 1)
    with whole:
        whole.advance(3)
        state = whole.snapshot()
        kept = {name: array.copy() for name, array in state.values.items()}
        whole.advance(2)
        np.testing.assert_equal(state.values, kept)
        assert state.tag == 3
        assert whole.read(echo.said) > 0


def test_another_program_does_not_fit() -> None:
    whole, *_ = program(Fraction(2), (1, 1), 1)
    other, *_ = program(Fraction(2), (4, 1), 1)
    with whole, other:
        assert not other.fits(whole.snapshot())
        assert not other.fits(whole.snapshot()._replace(values={}))
