"""Copies, equality, hashes and pickles of what users define processes of."""

from __future__ import annotations

import copy
import pickle

import pytest

from procactors import Each, Parallel, Process, ProcessManager, Retry, Sleep, Step


async def one(data):
    return data


async def other(data):
    return data


def process():
    return Process(
        "p",
        {
            "a": Step("a", one, kwargs={"n": [1, {"b": 2}]}, retry=Retry(attempts=2)),
            "pause": Sleep(1),
            "both": Parallel({"x": one, "y": Step("y", one, args=[[1]])}),
            "each": Each(one, over="items", limit=2),
            "child": Process("c", [one]),
        },
        env={"A": "1"},
        max_running=1,
    )


MAKERS = {
    "Process": process,
    "Step": lambda: Step("a", one, kwargs={"n": [1]}),
    "Parallel": lambda: Parallel({"x": one, "y": Step("y", one, args=[[1]])}),
    "Each": lambda: Each(one, over="items", limit=2),
    "Sleep": lambda: Sleep(1),
    "Retry": lambda: Retry(attempts=2),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_defines_a_process_can_be_copied_compared_hashed_and_pickled(make):
    made = make()
    for same in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made)), make()):
        assert same == made
        assert hash(same) == hash(made)
        assert len({same, made}) == 1
        assert repr(same) == repr(made)
    assert made != 5
    assert made != other


@pytest.mark.parametrize(
    "unlike",
    [
        (Parallel({"x": one}), Parallel({"x": other})),
        (Parallel({"x": one}), Parallel({"y": one})),
        (Each(one, over="a"), Each(one, over="b")),
        (Each(one, over="a"), Each(one, over="a", limit=1)),
        (Each(one, over="a"), Parallel({"x": one})),
        (Step("a", one), Step("a", other)),
        (Process("p", [one]), Process("p", [other])),
    ],
)
def test_what_differs_is_not_equal(unlike):
    assert unlike[0] != unlike[1]


async def test_a_handle_is_copied_as_itself_and_managers_say_that_they_are_not(tmp_path):
    async with ProcessManager("memory://") as manager:
        handle = await manager.start(process(), {"items": []})
        assert copy.copy(handle) is copy.deepcopy({"handle": handle})["handle"] is handle
        with pytest.raises(TypeError, match="hand on its pid"):
            pickle.dumps(handle)
        for copied in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="make another one on the same store"):
                copied(manager)
