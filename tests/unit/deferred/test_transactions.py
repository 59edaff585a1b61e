import ast
from pathlib import Path

import pytest

from procactors import deferred
from procactors.deferred._transactions import atomic, autocommit, transactions_of
from tests.unit.deferred.samples import Ledger


def test_adapter_is_taken_as_it_is(ledger):
    assert transactions_of(ledger) is ledger


def test_object_without_adapter_is_refused():
    with pytest.raises(TypeError, match="list has no transactions"):
        transactions_of([])


async def test_sections_that_a_database_lacks_leave_the_call_in_the_round(ledger):
    await ledger.begin()
    await atomic(ledger, lambda db: db.write("a"))
    assert ledger.in_transaction()
    await autocommit(ledger, lambda db: db.write("b"))
    assert (ledger.in_transaction(), ledger.rows()) == (False, ["a", "b"])


async def test_sections_that_a_database_has_are_used():
    class Section:
        def __init__(self, log, name):
            self.log, self.name = log, name

        async def __aenter__(self):
            self.log.append(f"enter {self.name}")

        async def __aexit__(self, *_):
            self.log.append(f"exit {self.name}")

    with Ledger.opened() as ledger:
        log = []
        ledger.autocommit = lambda: Section(log, "autocommit")
        ledger.atomic = lambda: Section(log, "atomic")
        await autocommit(ledger, lambda _: log.append("call"))
        await atomic(ledger, lambda _: log.append("call"))
    assert log == ["enter autocommit", "call", "exit autocommit", "enter atomic", "call", "exit atomic"]


CORE = sorted(Path(deferred.__file__).parent.glob("_*.py"))


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_core_imports_no_driver_and_no_event_loop(path):
    banned = {"sqlalchemy", "aiosqlite", "sqlite3", "asyncio", "trio"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        assert not banned & {name.partition(".")[0] for name in names}
