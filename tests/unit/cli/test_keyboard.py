"""One key from the person at the terminal."""

from __future__ import annotations

import os
import termios

import anyio
import pytest

from procactors.cli.keyboard import has_person, yes_or_no


@pytest.fixture
def terminal(monkeypatch):
    """A terminal as standard input; what is written to the descriptor is typed."""
    typed, seen = os.openpty()
    with os.fdopen(seen) as stdin, os.fdopen(typed, "wb", buffering=0) as keys:
        monkeypatch.setattr("sys.stdin", stdin)
        yield keys


def is_as_before(terminal):
    modes = termios.tcgetattr(terminal)[3]
    return bool(modes & termios.ECHO and modes & termios.ICANON)


@pytest.mark.parametrize(("typed", "answer"), [(b"y", True), (b"N", False), (b"x \nq1yn", True)])
async def test_first_y_or_n_is_the_answer(terminal, typed, answer):
    async with anyio.create_task_group() as tasks:
        answers = []

        async def ask():
            answers.append(await yes_or_no())

        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert not is_as_before(terminal)
        terminal.write(typed)
    assert answers == [answer]
    assert is_as_before(terminal)


async def test_question_that_is_given_up_leaves_the_terminal_as_it_was(terminal):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(yes_or_no)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert is_as_before(terminal)


def test_nobody_is_there_without_a_terminal(monkeypatch):
    with open(os.devnull, encoding="ascii") as nothing:  # noqa: PTH123 - as a shell's < /dev/null
        monkeypatch.setattr("sys.stdin", nothing)
        assert not has_person()
    assert not has_person()
    monkeypatch.setattr("sys.stdin", None)
    assert not has_person()


def test_nobody_is_asked_at_a_terminal_that_is_not_ours(terminal):
    assert not has_person()
