"""Store URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from procactors import InvalidStoreError
from procactors.stores._url import sqlite_location


@pytest.mark.parametrize(
    ("url", "path", "synchronous"),
    [
        ("sqlite:///app.db", "app.db", "FULL"),
        ("sqlite:////var/app.db", "/var/app.db", "FULL"),
        ("sqlite:///app.db?synchronous=normal", "app.db", "NORMAL"),
        ("sqlite:///a%20b.db", "a b.db", "FULL"),
        ("sqlite:///a#b.db", "a#b.db", "FULL"),
    ],
)
def test_a_url_names_a_file(url, path, synchronous):
    location = sqlite_location(url)
    assert location.path == Path(path)
    assert location.synchronous == synchronous


@pytest.mark.parametrize(
    "url", ["sqlite", "sqlite:app.db", "sqlite:/app.db", "sqlite://host/app.db", "sqlite:///"]
)
def test_anything_else_names_none(url):
    with pytest.raises(InvalidStoreError, match="names no file"):
        sqlite_location(url)
