"""Updates and a database that several tests use."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager

from procactors.deferred import DataUpdate, EnqueueableUpdate, MergeableUpdate, current_updates


class Note:
    """Writes its name into a log when it runs, and then does what it is told."""

    def __init__(self, log, name, then=None):
        self.log = log
        self.name = name
        self.then = then

    def run(self):
        self.log.append(self.name)
        return self.then() if self.then is not None else None

    def __repr__(self):
        return self.name


class DataNote(Note, DataUpdate):
    pass


class MergeableNote(Note, MergeableUpdate):
    def merge(self, other):
        self.name += f"+{other.name}"


class OtherMergeableNote(MergeableNote):
    pass


class EnqueueableNote(Note, EnqueueableUpdate):
    def as_process(self):
        return "process", {"name": self.name}


def adding(*notes, stage=None):
    """Return a function that adds updates to the queue it runs in."""

    def add():
        for note in notes:
            current_updates().add(note, *([] if stage is None else [stage]))

    return add


def failing(error):
    """Return a function that raises."""

    def fail(*_):
        raise error

    return fail


class Ledger:
    """A real SQLite connection whose transactions deferral can use, on any event loop."""

    def __init__(self, connection):
        self.connection = connection
        self.callbacks = []
        connection.execute("CREATE TABLE texts (text)")

    @classmethod
    @contextmanager
    def opened(cls):
        connection = sqlite3.connect(":memory:", isolation_level=None)
        try:
            yield cls(connection)
        finally:
            connection.close()

    def in_transaction(self):
        return self.connection.in_transaction

    async def begin(self):
        self.connection.execute("BEGIN")

    async def commit(self):
        await self._end("COMMIT", committed=True)

    async def rollback(self):
        await self._end("ROLLBACK", committed=False)

    async def _end(self, sql, *, committed):
        if self.in_transaction():
            self.connection.execute(sql)
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback(committed)

    def on_resolution(self, callback):
        assert self.in_transaction()
        self.callbacks.append(callback)

    def write(self, text):
        self.connection.execute("INSERT INTO texts VALUES (?)", (text,))

    def rows(self):
        return [text for (text,) in self.connection.execute("SELECT text FROM texts ORDER BY rowid")]
