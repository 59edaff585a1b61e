"""`procactors worker`, in this program: what ends it besides signals."""

from __future__ import annotations

import pytest

from procactors.cli.failure import CommandError
from procactors.cli.worker import Worker
from procactors.engine.messages import Committed
from procactors.testing import manager


async def is_broken(*_):
    raise RuntimeError("broken beyond repair")


@pytest.mark.parametrize("most", [None, 3])
async def test_a_worker_whose_engine_has_ended_ends_with_an_error(most):
    class Doomed(manager):
        async def open(self):
            await super().open()
            self.store.positions = is_broken
            self._room.streams.tell(Committed(None, ()))  # it fails, and so does its next life

    doomed = Doomed()
    with pytest.raises(CommandError, match="its engine has ended with an error"):
        await Worker(doomed, most, exit_when_idle=False).run()
    assert not doomed.health().is_ready
