"""Store URLs: `sqlite:///relative.db`, `sqlite:////absolute.db?synchronous=NORMAL`, `memory://`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from procactors.errors import InvalidStoreError

_SYNCHRONOUS = ("FULL", "NORMAL", "OFF", "EXTRA")


class SqliteLocation(msgspec.Struct, frozen=True):
    """Where a SQLite database is, and how safely it writes.

    Attributes:
        path: The file.
        synchronous: SQLite's own setting: FULL loses nothing in a power cut, NORMAL may lose the last
            commits then, but nothing in a crash of the program.
    """

    path: Path
    synchronous: str = "FULL"


def sqlite_location(url: str) -> SqliteLocation:
    """Read a SQLite URL.

    Raises:
        InvalidStoreError: It names no file, or an unknown option.
    """
    parts = urlsplit(url, allow_fragments=False)
    name = unquote(parts.path.removeprefix("/"))
    if not url.startswith("sqlite:///") or not name or name == ":memory:":
        raise InvalidStoreError(
            f"{url!r} names no file: write sqlite:///relative.db or sqlite:////absolute.db"
            " (for a store without a file, which nobody else can see: memory://)"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "FULL").upper()
    if options or synchronous not in _SYNCHRONOUS:
        raise InvalidStoreError(
            f"{url!r} has an option that is not known: there is synchronous={'|'.join(_SYNCHRONOUS)}"
        )
    return SqliteLocation(Path(name), synchronous)
