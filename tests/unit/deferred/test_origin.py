import logging

import pytest

from procactors.deferred import CallableUpdate, defer, deferred_scope
from procactors.deferred._origin import Origin, name_of
from tests.unit.deferred.samples import Note, failing


def a_function():
    pass


class Callable:
    def __call__(self):
        pass


def test_origin_is_shown_as_a_link_and_a_function():
    assert str(Origin("shop.py", 7, "buy")) == "shop.py:7 in buy"


def test_origin_of_code_without_lines_is_its_first():
    code = compile("a = 1\nb = 2\n", "shop.py", "exec")
    assert Origin.at(code, 10_000).line == code.co_firstlineno


@pytest.mark.parametrize(
    ("update", "name"),
    [
        (CallableUpdate(a_function), "a_function"),
        (CallableUpdate(Callable()), "Callable"),
        (Note([], "note"), "Note"),
    ],
)
def test_update_is_named_by_its_function_or_class(update, name):
    assert name_of(update) == name


async def test_failure_is_logged_with_the_line_that_deferred_it(updates, caplog):
    updates.add(Note([], "a", failing(ValueError("x"))))
    updates.add_callable(failing(ValueError("y")))
    await updates.run()
    async with deferred_scope(opportunistic=False):
        defer(failing(ValueError("z")))
    start = test_failure_is_logged_with_the_line_that_deferred_it.__code__.co_firstlineno
    for record, line in zip(caplog.records, (1, 2, 5), strict=True):
        assert f"{__file__}:{start + line} in " in record.getMessage()
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert {record.name for record in caplog.records} == {"procactors.deferred"}


async def test_origin_that_the_update_gives_comes_first(updates, caplog):
    updates.add(CallableUpdate(failing(ValueError("x")), origin="the import"))
    await updates.run()
    assert "deferred by the import" in caplog.text
