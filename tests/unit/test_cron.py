"""Instants of a cron expression around changes to and from summer time, and how many are made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from procactors import Process
from procactors.cron import CronPlugin
from tests.behaviour.steps import echo

P = Process("p", [echo])


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
@pytest.mark.parametrize("expression", ["30 2 * * *", "*/30 * * * *", "15 1-4 * * *"])
def test_the_next_runs_are_at_the_instants_that_are_then_found(day, expression):
    plugin = CronPlugin(expression, P, timezone="Europe/Berlin", misfire="all")
    begin, end = day - timedelta(hours=3), day + timedelta(hours=9)
    moment, runs = begin, []
    while (moment := plugin.next_run(moment)) <= end and len(runs) < 100:
        runs.append(moment)
    assert plugin.instants(begin, end) == runs
    assert len(runs) == len({run.astimezone(UTC) for run in runs}) > 0


def test_no_more_than_a_thousand_missed_instants_are_made_up_for(caplog):
    plugin = CronPlugin("* * * * *", P, misfire="all")
    end = datetime(2026, 1, 1, tzinfo=UTC)
    instants = plugin.instants(end - timedelta(days=2), end)
    assert len(instants) == 1000
    assert instants[-1] == end
    assert "the newest 1000 missed instants" in caplog.text


def test_its_repr_says_which_it_is():
    assert repr(CronPlugin("* * * * *", P)) == "CronPlugin('* * * * *', key='cron p')"
