"""Work on a database without a database: generators that ask named queries, and are sent the rows.

What an operation does is written once, as such a generator, and each store carries on the talk in its own
way: SQLite in its writer's thread, PostgreSQL over the network, without either knowing what it is about.
The texts of the queries are in `sql/<dialect>/queries.sql`, under the same names for every dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class One(NamedTuple):
    """Ask one query. A list among its values is a set, which each dialect takes in its own way."""

    name: str
    values: Sequence[Any] = ()


class Many(NamedTuple):
    """Ask a query for many rows of values at once; the answers of its parts come as one."""

    name: str
    rows: Sequence[Sequence[Any]]


class Call(NamedTuple):
    """Call a user's functions in a nested transaction. Answered by `[(error,)]` if one raised."""

    functions: Sequence[Callable[[Any], Any]]


Rows = Sequence[Any]
"""What a query answers, a tuple a row; an insert answers with the numbers of its rows, in order."""

Talk = Generator[One | Many | Call, Rows, T]
"""Work on the database that returns a `T`."""
