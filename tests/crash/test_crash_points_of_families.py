"""A crash at each commit of processes that have children: their outputs are the same."""

from __future__ import annotations

import pytest

from procactors import Each, Parallel, Process, Step, StepContext
from procactors.testing import crash_test


async def double(data):
    return {**data, "x": data["x"] * 2}


async def lists(data):
    return {"items": [1, 2, 3]}


async def square(item):
    return item * item


TWICE = Process("twice", {"first": double, "second": double})


async def has_a_child(data, ctx: StepContext):
    return {"child": await ctx.run(TWICE, data)}


async def has_two_children(data, ctx: StepContext):
    return [await ctx.run(TWICE, data, key="first"), await ctx.run(TWICE, data, key="second")]


async def goes_down(data, ctx: StepContext):
    return 0 if not data["x"] else 1 + await ctx.run(DOWN, {"x": data["x"] - 1})


DOWN = Process("down", [goes_down], max_running=1)
FAMILIES = {
    "child": (Process("child", {"runs": has_a_child}), {"child": {"x": 12}}),
    "children": (Process("children", {"runs": has_two_children}), [{"x": 12}, {"x": 12}]),
    "limited": (DOWN, 3),
    "step": (Process("step", {"twice": Step("twice", TWICE), "last": double}), {"x": 24}),
    "parallel": (
        Process("parallel", {"both": Parallel({"a": double, "b": TWICE})}),
        {"a": {"x": 6}, "b": {"x": 12}},
    ),
    "each": (
        Process("each", {"lists": lists, "each": Each(Process("one", [square]), over="items", limit=2)}),
        [1, 4, 9],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
async def test_a_crash_at_any_commit_changes_no_output_of_a_family(name, caplog):
    process, output = FAMILIES[name]
    report = await crash_test(process, {"x": 3})
    assert report.output == output
    assert report.crashes == 2 * report.commits
    assert "a transaction failed" not in caplog.text, "each process has a pid of its own, whatever its life"
