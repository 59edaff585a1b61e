"""Store URLs.

`sqlite:///relative.db`, `sqlite:////absolute.db?synchronous=NORMAL`, `memory://`, and
`postgresql://user@host/database?schema=name`.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from procactors.errors import InvalidStoreError

_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PASSWORD = re.compile(r"(://[^/@:]*):[^@]*@")
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


def without_password(url: str) -> str:
    """Return a URL, well formed or not, as an error may show it."""
    return _PASSWORD.sub(r"\1:...@", url)


def without_driver(url: str) -> str:
    """Return a URL with its scheme in lower case; SQLAlchemy's spellings are not ours.

    Raises:
        InvalidStoreError: It names a driver.
    """
    scheme, colon, rest = url.partition(":")
    name, plus, _ = scheme.lower().partition("+")
    if plus and name in {"sqlite", "postgresql", "postgres"}:
        raise InvalidStoreError(
            f"{without_password(url)!r} names a driver, which is SQLAlchemy's way:"
            f" write {without_password(name + colon + rest)!r}"
        )
    return f"{name}{plus}{colon}{rest}" if colon else url


def _as_file(url: str) -> str:
    """Return how a URL with a wrong number of slashes was probably meant; "" if there is no telling."""
    path = url.partition(":")[2].partition("?")[0]
    name = path.lstrip("/")
    if not name or name == ":memory:":
        return ""
    is_absolute = path.startswith("/") and not path.startswith("//")
    return f" (did you mean {'sqlite:////' if is_absolute else 'sqlite:///'}{name}?)"


def sqlite_location(url: str) -> SqliteLocation:
    """Read a SQLite URL.

    Raises:
        InvalidStoreError: It names no file, or an unknown option.
    """
    parts = urlsplit(url, allow_fragments=False)
    name = unquote(parts.path.removeprefix("/"))
    if not url.startswith("sqlite:///") or not name or name == ":memory:":
        raise InvalidStoreError(
            f"{url!r} names no file{_as_file(url)}: write sqlite:///relative.db or sqlite:////absolute.db;"
            " for a store without a file, which nobody else can see: memory://"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "FULL").upper()
    if options or synchronous not in _SYNCHRONOUS:
        raise InvalidStoreError(
            f"{url!r} has an option that is not known: there is synchronous={'|'.join(_SYNCHRONOUS)}"
        )
    return SqliteLocation(Path(name), synchronous)


class PostgresLocation(msgspec.Struct, frozen=True):
    """Where a PostgreSQL database is.

    Attributes:
        dsn: The URL as PostgreSQL's own programs take it.
        schema: The schema that holds the tables, made if it is not there; None: the user's default.
    """

    dsn: str
    schema: str | None = None

    @property
    def shown(self) -> str:
        """The URL without its password, for messages."""
        parts = urlsplit(self.dsn)
        user, at, host = parts.netloc.rpartition("@")
        netloc = f"{user.partition(':')[0]}{at}{host}"
        hidden = [(name, value) for name, value in parse_qsl(parts.query) if name != "password"]
        own = [("schema", self.schema)] if self.schema is not None else []
        return urlunsplit(parts._replace(netloc=netloc, query=urlencode([*hidden, *own], safe="/")))


def postgres_location(url: str) -> PostgresLocation:
    """Read a PostgreSQL URL; whatever is not ours in it is left to the driver.

    Raises:
        InvalidStoreError: It is not well formed, or the schema's name can't be one.
    """
    shown = without_password(url)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidStoreError(f"{shown!r} is no URL: {error}") from error
    if not url.partition(":")[2].startswith("//"):
        raise InvalidStoreError(f"{shown!r} names no database: write postgresql://user@host/database")
    options = parse_qsl(parts.query, keep_blank_values=True)
    schema = dict(options).get("schema")
    if schema is not None and not _SCHEMA.fullmatch(schema):
        raise InvalidStoreError(
            f"{shown!r}: a schema's name is made of up to 63 letters, digits and underscores, not {schema!r}"
        )
    query = urlencode([(name, value) for name, value in options if name != "schema"])
    return PostgresLocation(urlunsplit(parts._replace(scheme="postgresql", query=query)), schema)
