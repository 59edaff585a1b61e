"""What a rollback cancels is what it takes back: tried with random transactions and savepoints.

Each update is made right after a row was written, so that the database itself says what is right: an
update is cancelled if, and only if, its row is gone in the end.
"""

from random import Random

import aiosqlite
import pytest

sqlalchemy = pytest.importorskip("sqlalchemy")

from sqlalchemy import event, text  # noqa: E402 - after the check that it is there
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine  # noqa: E402 - the same
from sqlalchemy.pool import StaticPool  # noqa: E402 - the same

from procactors.deferred import CallableUpdate  # noqa: E402 - the same

SEEDS = range(120)
ENDS = ["commit", "rollback"]


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Trial:
    """Random calls of one database, and the updates that were made meanwhile."""

    def __init__(self, seed, choices):
        self.random = Random(seed)
        self.choices = choices
        self.calls = []
        self.updates = {}

    async def play(self, perform, errors, first=None):
        for number in range(self.random.randrange(3, 25)):
            self.calls.append(first if first and not number else self.random.choice(self.choices))
            try:
                await perform(self.calls[-1])
            except errors:
                self.calls.append("refused")

    def made(self, database):
        """Note that a row was written; return its id."""
        self.updates[len(self.updates) + 1] = CallableUpdate(print, cancel_on_rollback=[database])

    @property
    def next_row(self):
        return len(self.updates) + 1

    def judge(self, rows):
        """Compare with the rows that are there in the end."""
        found = {row: update.is_cancelled for row, update in self.updates.items()}
        assert found == {row: row not in rows for row in found}, self.calls
        assert not any(update.open_transactions for update in self.updates.values()), self.calls


async def play_aiosqlite(seed):
    statements = [f"{verb} {name}" for verb in ("SAVEPOINT", "RELEASE", "ROLLBACK TO") for name in "ab"]
    choices = ["write"] * 6 + statements * 2 + [*ENDS, "BEGIN", "COMMIT", "ROLLBACK", "nonsense"]
    trial = Trial(seed, [*choices, "INSERT OR ROLLBACK INTO rows VALUES (0)"])
    async with aiosqlite.connect(":memory:", isolation_level=None if seed % 2 else "DEFERRED") as connection:
        await connection.execute("CREATE TABLE rows (id UNIQUE)")
        await connection.execute("INSERT INTO rows VALUES (0)")
        await connection.commit()

        async def perform(call):
            if call in ENDS:
                await getattr(connection, call)()
            elif call == "write":
                await connection.execute("INSERT INTO rows VALUES (?)", (trial.next_row,))
                trial.made(connection)
            else:
                await connection.execute(call)

        await trial.play(perform, aiosqlite.Error, first="SAVEPOINT a" if seed % 3 else None)
        await getattr(connection, trial.random.choice(ENDS))()
        trial.judge({row for (row,) in await connection.execute_fetchall("SELECT id FROM rows")})


async def test_what_a_rollback_cancels_on_aiosqlite():
    for seed in SEEDS:
        await play_aiosqlite(seed)


async def play_sqlalchemy(seed):
    trial = Trial(seed, ["write"] * 6 + ["savepoint"] * 3 + ["release", "back"] * 2 + [*ENDS, "close"])
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    event.listen(engine.sync_engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE rows (id UNIQUE)"))
    nested = []
    async with AsyncSession(engine) as session:

        async def perform(call):
            if call == "write":
                await session.execute(text(f"INSERT INTO rows VALUES ({trial.next_row})"))
                trial.made(session)
            elif call == "savepoint":
                nested.append(await session.begin_nested())
            elif call in ("release", "back"):
                savepoint = nested.pop(trial.random.randrange(len(nested))) if nested else None
                if savepoint is not None and savepoint.is_active:
                    await (savepoint.commit() if call == "release" else savepoint.rollback())
            else:
                await getattr(session, call)()

        await trial.play(perform, sqlalchemy.exc.SQLAlchemyError)
        await getattr(session, trial.random.choice(ENDS))()
    async with engine.connect() as connection:
        trial.judge({row for (row,) in await connection.execute(text("SELECT id FROM rows"))})
    await engine.dispose()


async def test_what_a_rollback_cancels_on_sqlalchemy():
    for seed in SEEDS[::3]:
        await play_sqlalchemy(seed)
