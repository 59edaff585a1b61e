"""What others change in a SQLite file, told apart from the renewals of this member's own lease.

SQLite counts the commits of all other connections, and the lease is renewed through one. A manager that is
alone would wake itself by that every few seconds, and look about more often for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

# Beside the named queries, as no other database has anything to be asked like that.
_NUMBERS = """
    SELECT (SELECT count(*) FROM procactors_managers), group_concat(name || seq)
    FROM sqlite_sequence WHERE name GLOB 'procactors_*'"""


class Changes:
    """Looks at one connection, in that connection's thread.

    Attributes:
        has_company: Whether there are other managers or clients, as far as it has been seen.
        is_certain: Whether the last change that was seen is somebody else's for sure.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Know all that is in the file now."""
        self.has_company = False
        self.is_certain = False
        self._version = _version(connection)
        self._numbers = _numbers(connection)
        self._renewals = 0

    def have_come(self, connection: sqlite3.Connection, renewals: int) -> bool:
        """Tell whether others have changed the file since the last call.

        Args:
            connection: The one that it was made with; its own commits don't count.
            renewals: How often this member's lease has been renewed, or is just being renewed.
        """
        version = _version(connection)
        if version == self._version:
            return False
        numbers = _numbers(connection)
        self.has_company = numbers[0] > 1
        self.is_certain = self.has_company or renewals == self._renewals
        is_same = numbers == self._numbers  # as it is not if this connection has written meanwhile
        self._version, self._numbers, self._renewals = version, numbers, renewals
        return self.is_certain or not is_same


def _version(connection: sqlite3.Connection) -> int:
    """Return SQLite's change counter, which does not count this connection's own commits."""
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _numbers(connection: sqlite3.Connection) -> tuple[Any, ...]:
    """Return how many members there are, and the last numbers of all that is counted up."""
    numbers: tuple[Any, ...] = connection.execute(_NUMBERS).fetchone()
    return numbers
