"""A store for a URL. A driver is imported only when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procactors.errors import InvalidStoreError
from procactors.model.text import shown
from procactors.stores._url import postgres_location, sqlite_location, without_driver, without_password
from procactors.stores.memory import MemoryStore
from procactors.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from procactors._clock import Clock
    from procactors.options import ManagerOptions
    from procactors.stores._store import Store


def open_store(url: str | Store, clock: Clock, options: ManagerOptions) -> Store:
    """Return the store that `url` names, or is; it connects when it is opened.

    Raises:
        InvalidStoreError: There is no such kind of store, or the URL is not well formed.
    """
    if not isinstance(url, str):
        if not hasattr(url, "commit"):
            raise InvalidStoreError(f"a store is named by a URL like sqlite:///file.db, not by {shown(url)}")
        return url
    url = without_driver(url)
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return SqliteStore(sqlite_location(url), url, clock, options)
    if scheme == "memory":
        return MemoryStore(url, clock, options)
    if scheme in {"postgresql", "postgres"}:
        return _postgres_store(url, clock, options)
    is_path = url and not url.isspace() and ":" not in url
    meant = f" (did you mean sqlite:///{url}?)" if is_path else ""
    raise InvalidStoreError(
        f"{without_password(url)!r} names no store{meant}: write sqlite:///file.db, postgresql://host/database"
        " or memory://"
    )


def _postgres_store(url: str, clock: Clock, options: ManagerOptions) -> Store:
    location = postgres_location(url)
    try:
        from procactors.stores.postgres import PostgresStore  # noqa: PLC0415 - the driver is an extra
    except ImportError as error:
        raise InvalidStoreError(
            f'PostgreSQL needs a driver ({error}): pip install "procactors[postgres]"'
        ) from error
    return PostgresStore(location, clock, options)
