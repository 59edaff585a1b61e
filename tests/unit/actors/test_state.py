"""What a cell is doing, as people read it in `tree()` and in the repr of a reference."""

from __future__ import annotations

from procactors.actors._state import CellState


def test_states_read_as_words():
    assert [state.value for state in CellState] == ["starting", "running", "stopping", "resting", "stopped"]
