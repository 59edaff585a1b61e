"""The table of queues."""

from __future__ import annotations

from procactors import ProcessStatus, QueueInfo
from procactors.cli.listing import queues
from tests.unit.cli.samples import drawn

S = ProcessStatus


def test_queues_are_a_table_with_the_whole_at_its_foot():
    infos = [
        QueueInfo(name=None, is_paused=False, counts={S.RUNNING: 3, S.QUEUED: 1200, S.SLEEPING: 2}),
        QueueInfo(
            name="sync",
            is_paused=True,
            counts={S.RUNNING: 3, S.QUEUED: 1200},
            max_running=3,
            max_per_group=1,
            rate=(10, 60),
        ),
    ]
    head, sync, whole = drawn(queues(infos)).splitlines()
    assert head.split() == ["NAME", "RUNNING", "QUEUED", "OTHER", "LIMITS", "STATE"]
    assert "3   1,200      0  3 at once, 1 per group, 10 in 1 min 0 s  paused" in sync
    assert whole.split() == ["all", "3", "1,200", "2", "open"]
