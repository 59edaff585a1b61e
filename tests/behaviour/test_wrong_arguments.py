"""Arguments of the wrong kind: each gets an error that names it and says what it has to be."""

from __future__ import annotations

import pytest

from procactors import (
    InvalidDefinitionError,
    InvalidStoreError,
    Process,
    ProcessManager,
    Retry,
    StoreUnavailableError,
)
from procactors.deferred import DeferredScheduler
from procactors.options import ManagerOptions
from procactors.web import DeferredMiddleware
from tests.behaviour.steps import echo

P = Process("p", [echo])


class APlugin:
    def __init__(self, key, interval):
        self.key, self.interval = key, interval

    async def run(self, manager, last_run):
        pass


@pytest.mark.parametrize(
    ("argument", "value", "wanted"),
    [
        ("options", 5, "ManagerOptions"),
        ("options", None, "ManagerOptions"),
        ("services", 5, "mapping of names"),
        ("services", "shop", "mapping of names"),
        ("services", {5: 5}, "mapping of names"),
        ("plugins", 5, "list of plugins"),
        ("plugins", "shop", "list of plugins"),
        ("plugins", [APlugin("", 1)], "must not be empty"),
        ("plugins", [APlugin("a", 0)], "more than 0 seconds"),
        ("plugins", [APlugin("a", "x")], "more than 0 seconds"),
        ("modules", "shop", "list of names"),
        ("modules", 5, "list of names"),
        ("modules", [5], "list of names"),
        ("max_running", "many", "1 or more"),
        ("name", 5, "must be text"),
        ("run", "no", "True or False"),
        ("observer", 5, "Observer"),
        ("clock", 5, "Clock"),
        ("rng", 5, "Random"),
    ],
)
def test_a_manager_says_which_of_its_arguments_is_wrong(argument, value, wanted):
    with pytest.raises(InvalidDefinitionError, match=wanted) as caught:
        ProcessManager("memory://", **{argument: value})
    assert argument.rstrip("s") in str(caught.value)


@pytest.mark.parametrize("timeout", ["x", [1], float("nan")])
async def test_a_timeout_that_is_no_number_is_refused_by_who_waits(m, timeout):
    handle = await m.start(P, {"x": 1})
    for wait in (lambda: handle.result(timeout=timeout), lambda: m.drain(timeout=timeout)):
        with pytest.raises(ValueError, match="timeout must be a number of seconds"):
            await wait()
    assert await handle.result(timeout=5) == {"x": 1}
    assert not any(queue.is_paused for queue in await m.queues())


@pytest.mark.parametrize(
    "options",
    [{"on_conflict": ["raise"]}, {"key_scope": {"active"}}, {"priority": "high"}, {"delay": -1}, {"tags": 5}],
)
async def test_a_start_that_is_refused_stores_nothing(m, options):
    with pytest.raises(InvalidDefinitionError, match=next(iter(options))):
        await m.start(P, **options)
    assert await m.list() == []


@pytest.mark.parametrize("wanted", [{"status": 5}, {"name": 5}, {"limit": 0}, {"limit": "x"}, {"search": 5}])
async def test_a_list_of_nonsense_is_refused(m, wanted):
    with pytest.raises(ValueError, match=next(iter(wanted))):
        await m.list(**wanted)


@pytest.mark.parametrize("after", ["x", -1, 1.5, 2**70])
async def test_a_stream_after_what_no_event_can_be_is_refused(m, after):
    with pytest.raises(ValueError, match="number of an event"):
        m.subscribe(after=after)


@pytest.mark.parametrize("wrong", [{"jitter": "x"}, {"on": 5}, {"on": None}, {"attempts": 0}])
def test_a_retry_says_what_is_wrong(wrong):
    with pytest.raises(InvalidDefinitionError, match=f"Retry: {next(iter(wrong))}"):
        Retry(**wrong)


@pytest.mark.parametrize("drain_s", [-1, "x", None, float("nan")])
def test_a_drain_that_is_no_number_of_seconds_is_refused(drain_s):
    for make in (
        lambda: DeferredMiddleware(print, drain_s=drain_s),
        lambda: DeferredScheduler(drain_s=drain_s),
    ):
        with pytest.raises(ValueError, match="drain_s must be a number of seconds"):
            make()


def test_the_middleware_says_that_it_needs_an_application_and_a_manager():
    with pytest.raises(TypeError, match="ASGI application"):
        DeferredMiddleware(5)
    with pytest.raises(TypeError, match="ProcessManager"):
        DeferredMiddleware(print, 5)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("sqlite://app.db", "sqlite:///app.db?"),
        ("sqlite:app.db", "sqlite:///app.db?"),
        ("sqlite:/srv/app.db", "sqlite:////srv/app.db?"),
        ("app.db", "sqlite:///app.db?"),
        ("/srv/app.db", "sqlite:////srv/app.db?"),
        ("sqlite+aiosqlite:///app.db", "write 'sqlite:///app.db'"),
        ("postgresql+asyncpg://ann@host/db", "write 'postgresql://ann@host/db'"),
        ("postgres:host/db", "write postgresql://user@host/database"),
        ("postgresql://host:port/db", "is no URL"),
        ("mysql://host/db", "write sqlite:///file.db"),
    ],
)
def test_a_url_in_another_spelling_is_told_how_it_is_written(url, meant):
    with pytest.raises(InvalidStoreError) as caught:
        ProcessManager(url)
    assert meant in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql+asyncpg://ann:secret@h/db", "mysql://ann:secret@h", "postgresql://ann:secret@h:x/"]
)
def test_no_error_shows_the_password_of_a_url(url):
    with pytest.raises(InvalidStoreError) as caught:
        ProcessManager(url)
    assert "secret" not in str(caught.value)


async def test_a_scheme_may_be_in_upper_case(tmp_path):
    async with ProcessManager(f"SQLITE:///{tmp_path}/App.db") as manager:
        assert await (await manager.start(P, {"x": 1})).result() == {"x": 1}
    assert (tmp_path / "App.db").exists()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing/a.db", "missing does not exist; make it first"),
        ("", "is a folder; name a file in it"),
        ("file/a.db", "file is no folder"),
    ],
)
async def test_a_path_that_can_not_be_opened_is_told_why(tmp_path, path, why):
    (tmp_path / "file").write_text("x")
    options = ManagerOptions(store_patience_s=0.1)
    with pytest.raises(StoreUnavailableError, match=why):
        await ProcessManager(f"sqlite:///{tmp_path}/{path}", options=options).open()


async def test_settings_that_postgresql_does_not_know_are_refused():
    with pytest.raises(InvalidStoreError, match="sslmode"):
        await ProcessManager("postgresql://ann@localhost:1/x?sslmode=maybe").open()
