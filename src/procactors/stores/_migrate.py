"""Numbered migrations, each applied once, all in one transaction.

The schema's version is in a table of ours, never in `user_version`: the file may be the application's
own. A database of a newer version is refused, untouched.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from procactors.errors import SchemaTooNewError

if TYPE_CHECKING:
    import sqlite3

    from procactors._clock import Instant

_FILE = re.compile(r"(\d{4})_\w+\.sql")


def migrations(dialect: str) -> list[tuple[int, str]]:
    """Return number and text of each migration of a database, in order."""
    folder = files("procactors.stores").joinpath("sql", dialect)
    found = [(match, entry) for entry in folder.iterdir() if (match := _FILE.fullmatch(entry.name))]
    return sorted((int(match[1]), entry.read_text("utf-8")) for match, entry in found)


def pending(dialect: str, version: int, where: str) -> list[tuple[int, str]]:
    """Return the migrations that a database at `version` still needs.

    Raises:
        SchemaTooNewError: It has had more than this program knows.
    """
    known = migrations(dialect)
    newest = known[-1][0]
    if version > newest:
        raise SchemaTooNewError(
            f"{where} has schema version {version}, this program knows versions up to {newest}:"
            " upgrade procactors here, or use another store"
        )
    return [(number, text) for number, text in known if number > version]


def migrate_sqlite(connection: sqlite3.Connection, now: Instant, where: str) -> None:
    """Bring a SQLite database to the newest version. Safe with other processes doing the same."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS procactors_schema (version INTEGER PRIMARY KEY, applied_at REAL)"
        )
        version = connection.execute("SELECT coalesce(max(version), 0) FROM procactors_schema").fetchone()[0]
        for number, text in pending("sqlite", version, where):
            for statement in text.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute("INSERT INTO procactors_schema VALUES (?, ?)", (number, now))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


async def migrate_postgres(connection: Any, schema: str | None, now: Instant, where: str) -> None:
    """Bring a PostgreSQL database to the newest version, one at a time."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(1886544227, hashtext($1))", schema or "")
        if schema is not None:
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS procactors_schema"
            " (version INTEGER PRIMARY KEY, applied_at DOUBLE PRECISION)"
        )
        version = await connection.fetchval("SELECT coalesce(max(version), 0) FROM procactors_schema")
        for number, text in pending("postgres", version, where):
            await connection.execute(text)
            await connection.execute("INSERT INTO procactors_schema VALUES ($1, $2)", number, now)
