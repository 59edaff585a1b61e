"""Children in the order of their start, and whose turn it is to live again: pure, but for the waiting."""

from __future__ import annotations

import pytest

from procactors.actors import Strategy
from procactors.actors._siblings import Siblings


class Child:
    """What siblings want to know of a child."""

    def __init__(self, name, diary=None):
        self.name = name
        self.is_up = True
        self.woken = 0
        self.diary = diary

    def wake(self):
        self.woken += 1

    async def halt_life(self):
        self.is_up = False
        self.diary.append(self.name)


def family(strategy, names="abc", above=None):
    siblings, diary = Siblings(strategy, above), []
    children = [Child(name, diary) for name in names]
    for child in children:
        siblings.add(child)
    return siblings, children, diary


def test_no_two_children_have_one_name():
    siblings, _, _ = family(Strategy.ONE_FOR_ONE)
    with pytest.raises(ValueError, match="'a'"):
        siblings.add(Child("a"))


def test_children_come_in_the_order_of_their_start():
    siblings, (a, b, c), _ = family(Strategy.ONE_FOR_ONE)
    assert siblings.all() == (a, b, c)
    siblings.remove(b)
    assert siblings.all() == (a, c)
    assert len(siblings) == 2


async def test_those_after_a_failed_one_end_the_last_first():
    siblings, (_, b, _, _), diary = family(Strategy.REST_FOR_ONE, "abcd")
    await siblings.halt_after(b)
    assert diary == ["d", "c"]


async def test_failure_concerns_nobody_else_under_one_for_one():
    siblings, (a, _, _), diary = family(Strategy.ONE_FOR_ONE)
    await siblings.halt_after(a)
    assert diary == []


def test_turn_comes_when_all_before_are_up():
    siblings, (a, b, c), _ = family(Strategy.REST_FOR_ONE)
    a.is_up = b.is_up = c.is_up = False
    assert [siblings.is_turn_of(child) for child in (a, b, c)] == [True, False, False]
    a.is_up = True
    assert [siblings.is_turn_of(child) for child in (a, b, c)] == [True, True, False]


def test_it_is_always_everyones_turn_under_one_for_one():
    siblings, (a, b, _), _ = family(Strategy.ONE_FOR_ONE)
    a.is_up = False
    assert siblings.is_turn_of(b)


def test_only_the_first_that_is_not_up_is_woken():
    siblings, (a, b, c), _ = family(Strategy.REST_FOR_ONE)
    b.is_up = c.is_up = False
    with siblings.waiting(b), siblings.waiting(c):
        siblings.advance()
    assert (a.woken, b.woken, c.woken) == (0, 1, 0)


def test_woken_child_that_is_up_at_once_lets_the_next_one_pass():
    siblings, (_, b, c), _ = family(Strategy.REST_FOR_ONE)
    b.is_up = c.is_up = False
    b.wake = lambda: setattr(b, "is_up", True)
    siblings.note_waiting(b)
    siblings.advance()
    assert c.woken == 1


def test_nobody_is_woken_when_nobody_waits():
    siblings, (_, b, _), _ = family(Strategy.REST_FOR_ONE)
    b.is_up = False
    with siblings.waiting(b):
        pass
    siblings.advance()
    assert b.woken == 0


def test_all_that_wait_are_woken_under_one_for_one():
    siblings, (_, b, c), _ = family(Strategy.ONE_FOR_ONE)
    b.is_up = c.is_up = False
    siblings.note_waiting(b)
    siblings.advance()
    assert (b.woken, c.woken) == (1, 1)


async def test_halted_siblings_wait_until_they_are_resumed():
    siblings, (a, b, c), diary = family(Strategy.REST_FOR_ONE)
    await siblings.halt_all()
    assert diary == ["c", "b", "a"]
    siblings.note_waiting(a)
    siblings.advance()
    assert not siblings.is_turn_of(a)
    assert a.woken == 0
    siblings.resume()
    assert siblings.is_turn_of(a)
    assert (a.woken, b.woken, c.woken) == (1, 0, 0)


async def test_siblings_are_up_when_all_of_them_are():
    siblings, (a, _, _), _ = family(Strategy.REST_FOR_ONE)
    assert siblings.is_up
    a.is_up = False
    assert not siblings.is_up
    a.is_up = True
    siblings.is_halted = True
    assert not siblings.is_up


def test_change_is_seen_above_too():
    above, (_, waits), _ = family(Strategy.REST_FOR_ONE, "ab")
    below, _, _ = family(Strategy.ONE_FOR_ONE, "x", above)
    waits.is_up = False
    above.note_waiting(waits)
    below.advance()
    assert waits.woken == 1


def test_removed_child_waits_no_longer():
    siblings, (a, b, _), _ = family(Strategy.REST_FOR_ONE)
    a.is_up = False
    siblings.note_waiting(b)
    siblings.remove(b)
    siblings.advance()
    assert a.woken == 0
