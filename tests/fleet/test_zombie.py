"""A manager that is stopped for longer than its lease, and continued: its processes are another's by then."""

from __future__ import annotations

import signal
from collections import Counter

import anyio
import pytest

from procactors import ProcessManager
from tests.crash.victim import running
from tests.fleet.gated_driver import PROCESS, STEPS

PROCESSES, PATIENCE_S = 5, 60


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/zombie.db"
    return request.getfixturevalue("postgres").url("zombie")


@pytest.mark.slow
async def test_nothing_of_a_zombie_lands_and_it_goes_on_as_a_healthy_manager(url, tmp_path):
    gate, driver = tmp_path / "gate", "tests.fleet.gated_driver"
    async with ProcessManager(url, run=False) as client, running(driver, url, "zombie", gate) as zombie:
        await zombie.wrote("open")
        handles = [await client.start(PROCESS, {"n": 0}) for _ in range(PROCESSES)]
        await zombie.wrote("begin", times=PROCESSES)
        async with running(driver, url, "heir", gate) as heir:
            await heir.wrote("open")
            zombie.process.send_signal(signal.SIGSTOP)
            await heir.wrote("begin", times=PROCESSES)
            gate.touch()
            zombie.process.send_signal(signal.SIGCONT)
            with anyio.fail_after(PATIENCE_S):
                for handle in handles:
                    assert await handle.result() == {"n": STEPS}
            await zombie.wrote("end", times=PROCESSES)
            await check_histories(client, handles)
            assert await heir.kill(signal.SIGTERM) == 0, heir.log
        with anyio.fail_after(PATIENCE_S):
            assert await (await client.start(PROCESS, {"n": 0})).result() == {"n": STEPS}
        await zombie.wrote("end", times=PROCESSES + STEPS)
        zombie.process.send_signal(signal.SIGUSR1)
        with anyio.fail_after(PATIENCE_S):
            await zombie.wrote("result", times=PROCESSES + 1)
        assert await zombie.kill(signal.SIGTERM) == 0, zombie.log
        assert "was taken for dead" in zombie.log


async def check_histories(client, handles):
    """Each step has finished once, and after the takeover only the heir's events are there."""
    for handle in handles:
        finished, owners, seqs = Counter(), [], []
        async with client.subscribe(handle.pid) as events:
            async for event in events:
                seqs.append(event.seq)
                if type(event).__name__ == "StepFinished":
                    finished[event.step] += 1
                elif type(event).__name__ in {"ProcessStarted", "ProcessResumed"}:
                    owners.append(event.owner)
        assert finished == {f"s{n}": 1 for n in range(STEPS)}
        assert owners == ["zombie", "heir"]
        assert seqs == list(range(1, len(seqs) + 1))
