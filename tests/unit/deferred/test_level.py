from threading import RLock

import pytest

from procactors.deferred._attempt import TransactionRound
from procactors.deferred._level import Level
from procactors.deferred._report import Counts
from procactors.deferred._rounds import Entry
from procactors.deferred._shared import Shared
from tests.unit.deferred.samples import MergeableNote, Note

PRE, POST = 1, 2


@pytest.fixture
def root():
    return Level(Shared(TransactionRound(None), RLock(), None, None, None, None, Counts()))


def child_of(parent, stage):
    return Level(parent.shared, parent, "owner", stage, parent.depth + 1)


def entry(name, cls=Note):
    return Entry(cls([], name), None, child_of.__code__, 0)


def names(entries):
    return [entry.update.name for entry in entries]


def test_root_keeps_the_stage_that_was_asked_for(root):
    root.add(entry("a"), PRE)
    root.add(entry("b"), POST)
    assert (names(root.pending(PRE)), names(root.pending(POST)), names(root.pending(0))) == (
        ["a"],
        ["b"],
        ["a", "b"],
    )


def test_stage_that_has_passed_becomes_the_one_in_progress(root):
    child = child_of(root, POST)
    child.add(entry("late"), PRE)
    assert names(child.pending(POST)) == ["late"]


def test_mergeables_and_later_stages_move_up(root):
    child = child_of(root, PRE)
    child.add(entry("a"), PRE)
    child.add(entry("m", MergeableNote), PRE)
    child.add(entry("later"), POST)
    assert child.move_up(PRE) == 2
    assert (names(child.pending(0)), names(root.pending(PRE)), names(root.pending(POST))) == (
        ["a"],
        ["m"],
        ["later"],
    )


def test_moving_up_merges_and_counts(root):
    root.add(entry("m1", MergeableNote), POST)
    child = child_of(root, POST)
    child.add(entry("m2", MergeableNote), POST)
    child.move_up(POST)
    assert names(root.pending(POST)) == ["m1+m2"]
    assert root.shared.counts.merged == 1


def test_root_has_nowhere_to_move_to(root):
    root.add(entry("m", MergeableNote), POST)
    assert root.move_up(PRE) == 0


def test_closed_level_hands_what_comes_late_to_the_nearest_open_one(root):
    outer = child_of(root, PRE)
    inner = child_of(outer, PRE)
    inner.add(entry("left"), PRE)
    inner.close()
    inner.add(entry("late"), PRE)
    assert names(outer.pending(PRE)) == ["left", "late"]
    outer.close()
    inner.add(entry("later"), PRE)
    assert names(root.pending(PRE)) == ["left", "late", "later"]


def test_level_that_was_used_is_not_closed_as_unused(root):
    unused, used = child_of(root, PRE), child_of(root, PRE)
    used.add(entry("a"), PRE)
    assert (unused.close_unused(), unused.is_closed) == (True, True)
    assert (used.close_unused(), used.is_closed) == (False, False)


def test_depth_counts_levels_below_the_root(root):
    assert child_of(child_of(root, PRE), PRE).depth == 2
