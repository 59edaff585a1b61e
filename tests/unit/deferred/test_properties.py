"""Rules that hold for every tree of updates, whatever MediaWiki does: checked on random ones."""

import logging
from collections import Counter
from itertools import count

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from procactors.deferred import (
    DataUpdate,
    DeferredUpdates,
    MergeableUpdate,
    RoundRequirement,
    Stage,
    current_updates,
)

STAGES = st.sampled_from([Stage.PRESEND, Stage.POSTSEND])


class Node:
    """An update of a random tree."""

    def __init__(self, kind, stage, fails, waits, runs, children):
        self.kind, self.stage, self.fails = kind, stage, fails
        self.waits, self.runs, self.children = waits, runs, children

    def __repr__(self):
        traits = "".join(
            letter for letter, on in zip("fwr", (self.fails, self.waits, self.runs), strict=True) if on
        )
        return f"{self.kind}{self.stage}{traits}{self.children or ''}"


KINDS = st.sampled_from(["plain", "plain", "data", "mergeable", "other mergeable", "defining"])
TREES = st.lists(
    st.recursive(
        st.builds(Node, KINDS, STAGES, st.booleans(), st.booleans(), st.booleans(), st.just([])),
        lambda children: st.builds(
            Node, KINDS, STAGES, st.booleans(), st.booleans(), st.booleans(), st.lists(children, max_size=4)
        ),
        max_leaves=25,
    ),
    max_size=6,
)


class Play:
    """Runs a tree and keeps what happens."""

    def __init__(self):
        self.numbers = count(1)
        self.added = []
        self.started = []
        self.failed = 0
        self.ran = 0
        self.parents = {}

    def add(self, updates, node, parent):
        update = CLASSES[node.kind](self, node, next(self.numbers))
        self.added.append(update.number)
        self.parents[update.number] = parent
        updates.add(update, node.stage)


class Part:
    def __init__(self, play, node, number):
        self.play, self.node, self.number = play, node, number

    async def run(self):
        await self.do()

    async def do(self):
        play, node = self.play, self.node
        play.started.append(self.number)
        updates = current_updates()
        for child in node.children:
            play.add(updates, child, self.number)
        if node.waits:
            await checkpoint()
        if (
            node.runs
            and getattr(self, "round_requirement", None) is RoundRequirement.ABSENT
            and updates.depth < 4
        ):
            await updates.run(node.stage)
        if node.fails:
            raise ValueError(self.number)


class Plain(Part):
    pass


class Data(Part, DataUpdate):
    pass


class Defining(Part):
    round_requirement = RoundRequirement.ABSENT


class Mergeable(Part, MergeableUpdate):
    def __init__(self, play, node, number):
        super().__init__(play, node, number)
        self.parts = [self]

    def merge(self, other):
        self.parts += other.parts

    async def run(self):
        errors = []
        for part in self.parts:
            try:
                await part.do()
            except ValueError as error:
                errors.append(error)
        if errors:
            raise errors[0]


class OtherMergeable(Mergeable):
    pass


CLASSES = {
    "plain": Plain,
    "data": Data,
    "defining": Defining,
    "mergeable": Mergeable,
    "other mergeable": OtherMergeable,
}


async def play_tree(tree):
    play, updates = Play(), DeferredUpdates()
    for node in tree:
        play.add(updates, node, None)
    with updates.as_current():
        report = await updates.run()
    return play, updates, report


@pytest.fixture(autouse=True)
def quiet():
    log = logging.getLogger("procactors.deferred")
    log.disabled = True
    yield
    log.disabled = False


@settings(max_examples=60, deadline=None)
@given(TREES, st.sampled_from(["asyncio", "trio"]))
def test_nothing_is_lost_and_nothing_runs_twice(tree, backend):
    play, updates, report = anyio.run(play_tree, tree, backend=backend)
    assert Counter(play.started) == Counter(play.added)
    assert updates.pending_count() == 0
    assert updates.depth == 0
    assert not updates.in_round
    assert report.ran + report.failed + report.merged == len(play.added)


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_siblings_of_a_kind_keep_their_order_and_parents_come_first(tree):
    play, _, _ = anyio.run(play_tree, tree)
    turn = {number: index for index, number in enumerate(play.started)}
    for number, parent in play.parents.items():
        assert parent is None or turn[parent] < turn[number]
    roots = [number for number, parent in play.parents.items() if parent is None]
    for kind in ("plain", "data"):
        for stage in (Stage.PRESEND, Stage.POSTSEND):
            alike = [
                n for n, node in zip(roots, tree, strict=True) if (node.kind, node.stage) == (kind, stage)
            ]
            assert [turn[number] for number in alike] == sorted(turn[number] for number in alike)


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_presend_roots_come_before_postsend_roots(tree):
    play, _, _ = anyio.run(play_tree, tree)
    roots = [number for number, parent in play.parents.items() if parent is None]
    stages = dict(zip(roots, (node.stage for node in tree), strict=True))
    order = [stages[number] for number in play.started if number in stages]
    assert order == sorted(order)


@settings(max_examples=20, deadline=None)
@given(TREES)
def test_the_same_tree_runs_in_the_same_order_again(tree):
    first, _, _ = anyio.run(play_tree, tree)
    second, _, _ = anyio.run(play_tree, tree, backend="trio")
    assert first.started == second.started
