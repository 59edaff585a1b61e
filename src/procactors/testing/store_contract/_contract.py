"""All parts of the contract as one class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from procactors.testing.store_contract._bench import Bench
from procactors.testing.store_contract._free import FreeTests
from procactors.testing.store_contract._members import MemberTests
from procactors.testing.store_contract._new import NewTests
from procactors.testing.store_contract._owned import OwnedTests
from procactors.testing.store_contract._queues import QueueTests
from procactors.testing.store_contract._reading import ReadingTests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from procactors.stores import Store


@pytest.mark.anyio
class StoreContract(NewTests, OwnedTests, FreeTests, QueueTests, ReadingTests, MemberTests):
    """The guarantees of `Store`, method by method, and of each operation. Give it a fixture `new_store`."""

    @pytest.fixture
    async def bench(self, new_store: Callable[[], Store]) -> AsyncIterator[Bench]:
        """Give an open store with a registered manager. Cancellation: closes it."""
        bench = Bench(new_store)
        await bench.open()
        yield bench
        await bench.close()
