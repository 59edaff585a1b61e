"""The store contract, kept by every store."""

from __future__ import annotations

import itertools

import pytest

from procactors import ManagerOptions
from procactors._clock import SystemClock
from procactors.stores import open_store
from procactors.testing.store_contract import StoreContract


def opener(url):
    return lambda: open_store(url, SystemClock(), ManagerOptions())


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def new_store(self):
        store = opener("memory://")()  # nobody else can see it, so all are the same one
        return lambda: store


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def new_store(self, tmp_path):
        return opener(f"sqlite:///{tmp_path}/store.db")


class TestPostgresStore(StoreContract):
    schemas = itertools.count()

    @pytest.fixture
    def new_store(self, postgres):
        return opener(postgres.url(f"contract{next(self.schemas)}"))
