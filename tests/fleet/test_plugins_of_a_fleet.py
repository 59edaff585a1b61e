"""Plugins over several OS processes: one of them runs each, another takes over, each instant counts once."""

from __future__ import annotations

from datetime import datetime, timedelta

import anyio
import pytest

from procactors import ProcessManager
from tests.crash.victim import running

YARD, PATIENCE_S = "tests.fleet.yard", 60
SECOND = timedelta(seconds=1)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/plugins.db"
    return request.getfixturevalue("postgres").url("plugins")


async def instants(client):
    """Return the instants of the cron plugin's processes, in the order of their starts."""
    infos = await client.list(name="free", limit=1000)
    return [datetime.fromisoformat(info.key.removeprefix("cron free ")) for info in reversed(infos)]


@pytest.mark.slow
async def test_another_program_takes_over_the_plugins_of_one_that_is_killed(url, tmp_path):
    async with (
        ProcessManager(url, run=False) as client,
        running(YARD, url, "a", tmp_path, "plugins=yes") as first,
    ):
        await first.wrote("runs")
        async with running(YARD, url, "b", tmp_path, "plugins=yes") as second:
            await second.wrote("open")
            await has_started(client, 3)
            assert not second.noted("runs"), "one manager runs a plugin at a time"
            await first.kill()
            assert (await second.wrote("runs"))[2] == "None", "the run that was cut short begins anew"
            (tmp_path / "ticks").touch()
            await second.wrote("ran")
            await has_started(client, len(await instants(client)) + 2)
            assert len(second.noted("runs")) == 1
            found = await instants(client)
            assert found == [found[0] + n * SECOND for n in range(len(found))], "each instant, and each once"


async def has_started(client, count):
    with anyio.fail_after(PATIENCE_S):
        while len(await instants(client)) < count:  # noqa: ASYNC110 - the clock brings them
            await anyio.sleep(0.05)
