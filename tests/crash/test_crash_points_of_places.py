"""A crash at each commit of steps that run elsewhere, or write with their checkpoint."""

from __future__ import annotations

import pytest

from procactors import Process, Step, StepContext
from procactors.testing import crash_test, explore_crashes
from tests.behaviour.process_steps import stable


def create(connection):
    connection.execute("CREATE TABLE IF NOT EXISTS bookings (step TEXT)")


def enter(connection, step):
    connection.execute("INSERT INTO bookings VALUES (?)", (step,))


async def opens_the_book(data, ctx: StepContext):
    ctx.at_checkpoint(create)
    return data


async def books(data, ctx: StepContext):
    ctx.at_checkpoint(enter, ctx.step)
    return data


async def reads(data, ctx: StepContext):
    found = []
    ctx.at_checkpoint(lambda connection: found.extend(connection.execute("SELECT step FROM bookings")))
    ctx.services["book"].append(found)
    return data


BOOKED = Process("booked", {"open": opens_the_book, "a": books, "b": books})


@pytest.mark.slow
async def test_a_crash_at_any_commit_leaves_each_booking_made_once():
    book = []

    async def scenario(m):
        await (await m.start(BOOKED, key="booked")).result()
        await (await m.start(Process("read", [reads]), key="read")).result()
        return sorted(step for (step,) in book[-1])

    report = await explore_crashes(scenario, services={"book": book})
    assert report.output == ["a", "b"]
    assert report.crashes == 2 * report.commits


@pytest.mark.slow
async def test_a_crash_at_any_commit_changes_no_output_of_steps_in_os_processes():
    steps = [Step("first", stable, executor="process"), Step("second", stable, executor="process")]
    report = await crash_test(Process("elsewhere", steps), {"n": 1})
    assert report.output == {"n": 3}
    assert report.crashes == 2 * report.commits
