"""What one manager deletes is gone for all programs on the store."""

from __future__ import annotations

import sys

import anyio
import pytest

from procactors import HistoryGoneError, ProcessManager, UnknownProcessError
from tests.crash.victim import running
from tests.fleet.yard import FREE, GATED

YARD = "tests.fleet.yard"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/retention.db"


async def test_what_one_program_deletes_is_gone_for_another_and_its_key_is_free(url, tmp_path):
    async with ProcessManager(url, run=False) as client, running(YARD, url, "keeps", tmp_path) as keeps:
        old = [await client.start(FREE, {"n": n}, key=f"k{n}") for n in range(5)]
        for handle in old:
            await handle.result()
        waits = await client.start(GATED, {"n": 5})
        await keeps.wrote("begin", "gate")
        async with running(YARD, url, "deletes", tmp_path, "keep_s=0") as deletes:
            await deletes.wrote("open")
            with anyio.fail_after(30):
                while len(await client.list()) > 1:  # noqa: ASYNC110 - nothing tells of it
                    await anyio.sleep(0.02)
            for handle in old:
                with pytest.raises(UnknownProcessError):
                    await handle.info()
            with pytest.raises(HistoryGoneError):
                async with client.subscribe(after=0):
                    pytest.fail("it was entered")
            shown = await anyio.run_process(
                [sys.executable, "-m", "procactors", "show", old[0].pid, "--db", url], check=False
            )
            assert shown.returncode == 1
            again = await client.start(FREE, {"n": 6}, key="k0")
            assert again.pid != old[0].pid
            assert await again.result() == {"n": 6}
        (tmp_path / "gate").touch()
        assert (await waits.result())["passed"] == ["gate"], "what is alive is kept"
