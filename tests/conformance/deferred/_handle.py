"""A model of one database handle of MediaWiki, over a real SQLite connection.

It stands for the connection layer around which MediaWiki's deferred updates were recorded: implicit
transactions, atomic sections, callbacks, critical sections. None of it is part of procactors.
"""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager, contextmanager

from procactors.errors import RoundPendingError


class DatabaseError(Exception):
    """What the connection layer raises; `code` is the one that traces have."""

    def __init__(self, code, message=""):
        super().__init__(message or code)
        self.code = code


DATABASE_ERRORS = (DatabaseError, RoundPendingError)
"""What the connection layer takes for an error of its own; there, a pending round is one too."""


class Section:
    """An atomic section. `savepoint`: None if it can't be cancelled, "" if it is the transaction."""

    def __init__(self, owner, savepoint):
        self.owner = owner
        self.savepoint = savepoint


class Critical:
    """What must not be left by an error, unless that error is known to be harmless."""

    is_complete = False


class Handle:
    """One connection. `implicit` is its mode: a read or write opens a transaction."""

    def __init__(self, path, *, implicit, listener=None):
        self.path = path
        self.implicit = implicit
        self.prior_modes = []
        self.round = None
        self.is_open = False
        self.is_automatic = False
        self.is_one_section = False
        self.has_written = False
        self.is_measured = False
        self.is_failed = False
        self.is_out_of_sync = False
        self.sections = []
        self.commit_callbacks = []
        self.pre_commit_callbacks = []
        self.end_callbacks = []
        self.is_suppressed = False
        self.listener = listener
        self._is_critical = False
        self._connection = None
        self._savepoints = 0

    # Queries.

    @property
    def connection(self):
        if self._connection is None:
            self._connection = sqlite3.connect(self.path, isolation_level=None)
            self._connection.execute("CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, text)")
        return self._connection

    async def query(self, sql, *args, is_write=False, is_control=False):
        if sql != "ROLLBACK":
            self._check(sql)
        with self.critical():
            if not (is_control or self.is_open) and self.implicit:
                await self.begin(is_explicit=False)
            if is_write and self.is_open:
                self.has_written = True
            return self.connection.execute(sql, args).fetchall()

    def _check(self, sql):
        if self.is_out_of_sync:
            raise DatabaseError("out-of-sync")
        if self.is_failed and not sql.startswith("ROLLBACK TO"):
            raise DatabaseError("trx-error-state")

    def estimate_writes(self):
        """Ask how long the writes will take to apply: a query, if the way there was never measured."""
        if self.is_open and self.has_written and not self.is_measured:
            self._check("SELECT")
            self.is_measured = True

    async def read(self):
        return await self.query("SELECT text FROM texts ORDER BY id")

    async def write(self, text):
        await self.query("INSERT INTO texts (text) VALUES (?)", text, is_write=True)

    @contextmanager
    def critical(self):
        if self.is_out_of_sync:
            raise DatabaseError("out-of-sync")
        section = Critical()
        if self._is_critical:
            yield section
            return
        self._is_critical = True
        try:
            yield section
        except BaseException:
            self.is_out_of_sync = not section.is_complete
            raise
        finally:
            self._is_critical = False

    # Transactions.

    @property
    def is_explicit(self):
        return self.is_open and (bool(self.sections) or not self.is_automatic)

    @property
    def has_changes(self):
        callbacks = self.commit_callbacks or self.pre_commit_callbacks or self.end_callbacks
        return self.is_open and (self.has_written or bool(callbacks))

    async def begin(self, *, is_explicit=True):
        if self.is_open:
            raise DatabaseError("atomic-section-open" if self.sections else "trx-already-active")
        if self.implicit and is_explicit:
            raise DatabaseError("trx-is-implicit")
        with self.critical() as section:
            try:
                await self.query("BEGIN IMMEDIATE", is_control=True)
            except DATABASE_ERRORS:
                section.is_complete = True
                raise
            self.is_open = True
            self.is_failed = False
            self.is_automatic = not is_explicit
            self.is_one_section = False
            self.has_written = False
            self.sections = []
            self._savepoints = 0

    async def commit(self, flush="one"):
        if self.is_open and self.sections:
            raise DatabaseError("atomic-section-open")
        if not self.is_open:
            return
        if flush == "one" and self.is_automatic:
            raise DatabaseError("trx-is-implicit")
        if flush != "one" and not self.is_automatic:
            raise DatabaseError("out-of-sync")
        await self.run_pre_commit()
        with self.critical() as section:
            try:
                if self.is_open:  # a callback may have ended it
                    await self.query("COMMIT", is_control=True)
            except DATABASE_ERRORS:
                section.is_complete = True
                raise
            self.is_open = self.is_failed = False
            if flush == "one":
                await self._after_commit()

    async def rollback(self, flush="one"):
        if flush == "one" and self.implicit:
            raise DatabaseError("trx-is-implicit")
        self.is_failed = False
        self.commit_callbacks, self.pre_commit_callbacks = [], []
        if not self.is_open:
            return
        with self.critical():
            await self.query("ROLLBACK", is_control=True)
            self.is_open = False
            self.sections = []
            if flush == "one":
                await self._after_rollback()

    async def flush_snapshot(self):
        if self.is_explicit or self.has_changes:
            raise DatabaseError("cannot-flush-snapshot")
        await self.commit("internal")

    # Atomic sections.

    async def start_atomic(self, owner, *, cancelable=False):
        with self.critical() as critical:
            owns = False
            if not self.is_open:
                try:
                    await self.begin(is_explicit=False)
                except DATABASE_ERRORS:
                    critical.is_complete = True
                    raise
                owns = self.is_one_section = not self.implicit
            savepoint = None
            if cancelable:
                savepoint = "" if owns else await self._savepoint(critical)
            section = Section(owner, savepoint)
            self.sections.append(section)
            return section

    async def _savepoint(self, critical):
        self._savepoints += 1
        name = f"atomic{self._savepoints}"
        try:
            await self.query(f"SAVEPOINT {name}", is_control=True)
        except DATABASE_ERRORS:
            critical.is_complete = self.is_failed = True
            raise
        return name

    async def end_atomic(self, owner):
        if not (self.is_open and self.sections):
            raise DatabaseError("no-atomic-section")
        section = self.sections[-1]
        if section.owner != owner:
            raise DatabaseError("other", f"{owner} ends the section of {section.owner}")
        has_committed = False
        with self.critical() as critical:
            self.sections.pop()
            try:
                if not self.sections and self.is_one_section:
                    await self.commit("internal")
                    has_committed = True
                elif section.savepoint:
                    await self.query(f"RELEASE {section.savepoint}", is_control=True)
            except DATABASE_ERRORS:
                critical.is_complete = self.is_failed = True
                raise
            if self.is_open and self.sections:
                self._hoist_callbacks(section, self.sections[-1])
        if has_committed:
            await self._after_commit()

    def _hoist_callbacks(self, section, to):
        for callback in (*self.commit_callbacks, *self.pre_commit_callbacks, *self.end_callbacks):
            if callback[1] is section:
                callback[1] = to

    async def cancel_atomic(self, owner, section=None):
        if not (self.is_open and self.sections):
            raise DatabaseError("no-atomic-section")
        if section is not None and section not in self.sections:
            raise DatabaseError("other", "atomic section not found")
        with self.critical() as critical:
            cut = len(self.sections) - 1 if section is None else self.sections.index(section)
            cancelled, self.sections = self.sections[cut:], self.sections[:cut]
            try:
                if cancelled[0].owner != owner:
                    critical.is_complete = self.is_failed = True
                    self.sections.append(cancelled[0])
                    cancelled = cancelled[1:]
                    raise DatabaseError("other", f"{owner} cancels the section of another")
                is_rolled_back = await self._undo(cancelled[0])
            finally:
                self._cancel_callbacks(cancelled)
        if is_rolled_back:
            await self._after_rollback()

    async def _undo(self, section):
        if section.savepoint is None:
            self.is_failed = True
        elif section.savepoint:
            await self.query(f"ROLLBACK TO {section.savepoint}", is_control=True)
            self.is_failed = False
        else:
            await self.rollback("internal")
            return True
        return False

    def _cancel_callbacks(self, sections):
        self.commit_callbacks = [entry for entry in self.commit_callbacks if entry[1] not in sections]
        self.pre_commit_callbacks = [e for e in self.pre_commit_callbacks if e[1] not in sections]
        for entry in self.end_callbacks:
            if entry[1] in sections:
                entry[:] = [told_of_rollback(entry[0]), None]

    # Callbacks.

    @property
    def section(self):
        return self.sections[-1] if self.is_open and self.sections else None

    async def on_commit(self, callback):
        await self._join_round()
        self.commit_callbacks.append([callback, self.section])
        if not self.is_open:
            errors = []
            await self.run_idle("idle", errors)
            if errors:
                raise errors[0]

    async def pre_commit(self, callback):
        await self._join_round()
        if self.is_open:
            self.pre_commit_callbacks.append([callback, self.section])
            return
        await self.start_atomic("pre-commit", cancelable=True)
        try:
            await callback(None)
        except Exception:
            if not self.is_out_of_sync:
                await self.cancel_atomic("pre-commit")
            raise
        await self.end_atomic("pre-commit")

    def at_end(self, callback):
        if not self.is_open:
            raise DatabaseError("no-trx")
        self.end_callbacks.append([callback, self.section])

    async def _join_round(self):
        if not self.is_open and self.implicit and self.round is not None:
            await self.begin(is_explicit=False)

    async def run_pre_commit(self):
        count = 0
        while self.pre_commit_callbacks:
            entries, self.pre_commit_callbacks = self.pre_commit_callbacks, []
            count += len(entries)
            for callback, _ in entries:
                try:
                    await callback(None)
                except Exception:
                    self.is_failed = True
                    raise
        return count

    async def run_idle(self, trigger, errors):
        """Run the callbacks of a transaction that is over, each in autocommit mode."""
        if self.is_open:
            raise DatabaseError("other", "a transaction is still open")
        if self.is_suppressed:
            return 0
        count = 0
        with self.critical():
            implicit = self.implicit
            while True:
                entries = self.commit_callbacks + self.end_callbacks
                self.commit_callbacks, self.end_callbacks = [], []
                count += len(entries)
                for callback, _ in entries:
                    self.implicit = False
                    try:
                        await callback(trigger)
                    except DATABASE_ERRORS as error:
                        errors.append(error)
                        if self.is_open:
                            await self.rollback("internal")
                    finally:
                        self.implicit = implicit
                if not self.commit_callbacks:
                    return count

    async def run_listener(self, trigger, errors):
        if self.is_suppressed or self.listener is None:
            return
        try:
            await self.listener(trigger)
        except DATABASE_ERRORS as error:
            errors.append(error)

    async def _after_commit(self):
        errors = []
        await self.run_idle("commit", errors)
        await self.run_listener("commit", errors)
        if errors:
            raise errors[0]

    async def _after_rollback(self):
        await self.run_idle("rollback", [])
        await self.run_listener("rollback", [])

    # What procactors asks of it: the public protocol `Transactions`, and its two sections.

    def in_transaction(self):
        return self.is_open

    def on_resolution(self, callback):
        async def resolved(trigger):
            callback(trigger == "commit")

        self.at_end(resolved)

    @asynccontextmanager
    async def autocommit(self):
        implicit, self.implicit = self.implicit, False
        try:
            yield
        finally:
            if implicit:
                self.implicit = True

    @asynccontextmanager
    async def atomic(self):
        section = await self.start_atomic("atomic")
        try:
            yield
        except BaseException:
            if not self.is_out_of_sync:
                await self.cancel_atomic("atomic", section)
            raise
        await self.end_atomic("atomic")

    def rows(self):
        """Return the texts that are committed."""
        other = sqlite3.connect(self.path)
        try:
            return [text for (text,) in other.execute("SELECT text FROM texts ORDER BY id")]
        except sqlite3.OperationalError:
            return []
        finally:
            other.close()

    def close(self):
        if self._connection is not None:
            self._connection.close()


def told_of_rollback(callback):
    """Return a callback that perceives a rollback, whatever happens."""

    async def told(_trigger):
        await callback("rollback")

    return told
