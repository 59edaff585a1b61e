"""Ends as data."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from procactors.actors import Abandoned, Cancelled, Failed, Normal, Stopped
from procactors.actors._exit import exit_by
from procactors.errors import ActorError


def test_only_a_failure_has_an_error():
    error = ValueError()
    assert Failed(error).error is error
    assert [end.error for end in (Normal(1), Stopped("why"), Cancelled(), Abandoned())] == [None] * 4


def test_exits_are_compared_by_what_they_say():
    assert Normal(1) == Normal(1) != Normal(2)
    assert Stopped("a") != Stopped("b")
    assert Cancelled() != Abandoned()
    assert str(Stopped("enough")) == "Stopped(reason='enough')"


def test_exit_cannot_be_changed():
    with pytest.raises(AttributeError):
        Stopped("a").reason = "b"


async def test_exception_is_a_failure():
    error = ValueError()
    assert exit_by(error) == Failed(error)


async def test_cancellation_that_was_asked_for_is_one():
    ends = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class() as error:
            ends.append(exit_by(error))
            raise
    assert ends == [Cancelled()]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio has no cancellation that nobody asked for
async def test_cancellation_that_leaks_from_a_future_is_a_failure():
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    with pytest.raises(asyncio.CancelledError) as leaked:
        await future
    end = exit_by(leaked.value)
    assert isinstance(end, Failed)
    assert isinstance(end.cause, ActorError)
    assert end.cause.__cause__ is leaked.value
