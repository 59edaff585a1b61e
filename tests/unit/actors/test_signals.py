"""What the runtime itself tells."""

from __future__ import annotations

from procactors.actors import Normal, Stopped, TaskEnded, Terminated


def test_newest_word_of_an_end_replaces_only_that_of_the_same_one():
    assert Terminated("a", Normal()).coalesce_key() == Terminated("a", Stopped()).coalesce_key()
    assert Terminated("a", Normal()).coalesce_key() != Terminated("b", Normal()).coalesce_key()
    assert TaskEnded("a", 1, Normal()).coalesce_key() != TaskEnded("a", 2, Normal()).coalesce_key()


def test_signals_travel_in_the_signals_lane():
    assert Terminated.lane == TaskEnded.lane == "signals"
