"""Rounds: new ones, and those that are gone on with."""

from __future__ import annotations

from procactors.cli.demo.rounds import PARTS, next_round
from procactors.testing import manager


async def next_of(m, tmp_path, folder="/in"):
    return await next_round(m, folder, tmp_path, ("x",))


async def test_first_round_is_new(tmp_path):
    async with manager(run=False) as m:
        round_ = await next_of(m, tmp_path)
        assert (round_.number, round_.found) == (1, {})
        assert (round_.job.folder, round_.job.out, round_.job.left_out) == (
            "/in",
            f"{tmp_path}/round-1",
            ("x",),
        )


async def test_round_that_was_begun_is_gone_on_with(tmp_path):
    async with manager(run=False) as m:
        first = await next_of(m, tmp_path)
        handles = await first.start()
        again = await next_round(m, "/in", tmp_path / "elsewhere", ())
        assert (again.number, again.job) == (1, first.job)
        assert set(again.found) == set(PARTS)
        assert await again.start() == handles


async def test_round_of_which_only_one_part_was_started_is_gone_on_with(tmp_path):
    async with manager(run=False) as m:
        first = await next_of(m, tmp_path)
        handle = await first._start(PARTS["count"], first.job)
        again = await next_of(m, tmp_path)
        assert set(again.found) == {"count"}
        assert (await again.start())["count"] == handle


async def test_round_whose_report_has_ended_is_over(tmp_path):
    async with manager(run=False) as m:
        first = await next_of(m, tmp_path)
        await first.start()
        report = await first.start_report({})
        assert (await next_of(m, tmp_path)).number == 1
        assert await first.start_report({}) == report
        await report.cancel()
        assert (await next_of(m, tmp_path)).number == 2


async def test_another_folder_gets_a_round_of_its_own(tmp_path):
    async with manager(run=False) as m:
        await (await next_of(m, tmp_path)).start()
        other = await next_of(m, tmp_path, "/other")
        assert (other.number, other.found) == (2, {})
        await other.start()
        assert (await next_of(m, tmp_path)).number == 1


async def test_processes_of_others_do_not_disturb(tmp_path):
    async with manager(run=False) as m:
        await m.start(PARTS["count"], {}, key="their own")
        await m.start(PARTS["count"], {})
        assert (await next_of(m, tmp_path)).number == 1
