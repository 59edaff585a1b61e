"""Updates tied to the session of a `yield` dependency, which commits when FastAPI leaves it."""

from contextlib import nullcontext
from typing import Annotated
from urllib.parse import quote

import anyio
import pytest
import sqlalchemy as sa
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.exceptions import FastAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from procactors.deferred import Stage, defer
from procactors.web import DeferredMiddleware
from tests.unit.web.samples import Server, noted

LOG = []
PAGES = sa.Table("pages", sa.MetaData(), sa.Column("name", sa.String))


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def log():
    LOG.clear()
    return LOG


@pytest.fixture(params=["sqlite", "postgres"])
async def engine(request, tmp_path):
    if request.param == "sqlite":
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/app.db", connect_args={"timeout": 100})
    else:
        folder = request.getfixturevalue("postgres").folder
        engine = create_async_engine(f"postgresql+asyncpg://postgres@/postgres?host={quote(str(folder))}")
    async with engine.begin() as connection:
        await connection.run_sync(PAGES.metadata.drop_all)
        await connection.run_sync(PAGES.metadata.create_all)
    yield engine
    await engine.dispose()


class Sessions:
    """A `yield` dependency as FastAPI's documentation shows it."""

    def __init__(self, engine):
        self.engine = engine

    async def opened(self):
        async with AsyncSession(self.engine) as session:
            try:
                yield session
            except Exception:
                await session.rollback()
                LOG.append("rollback")
                raise
            await session.commit()
            LOG.append("commit")

    async def pages(self):
        async with self.engine.connect() as connection:
            return list((await connection.execute(sa.select(PAGES.c.name))).scalars())


def app_of(sessions, endpoint, **options):
    """Return an application with one endpoint, which gets a session; `options` are those of `Depends`."""
    app = FastAPI()
    app.add_middleware(DeferredMiddleware)

    @app.get("/")
    async def index(
        session: Annotated[AsyncSession, Depends(sessions.opened, **options)], tasks: BackgroundTasks
    ):
        await session.execute(sa.insert(PAGES).values(name="Foo"))
        return await endpoint(session, tasks)

    return app


async def visit(app, raising=None):
    async with Server(app) as server:
        with nullcontext() if raising is None else pytest.raises(raising):
            return await server.get("/", send=noted(LOG))
    return None


def updates(session):
    defer(LOG.append, "pre", stage=Stage.PRESEND, after_commit=session)
    defer(LOG.append, "post", after_commit=session)


async def test_update_runs_after_the_commit_and_background_tasks_before_it(engine, log):
    sessions = Sessions(engine)

    async def endpoint(session, tasks):
        updates(session)
        defer(LOG.append, "untied", stage=Stage.PRESEND)
        tasks.add_task(LOG.append, "background task")

    await visit(app_of(sessions, endpoint))
    assert log == ["untied", "start", "body", "background task", "commit", "pre", "post"]
    assert await sessions.pages() == ["Foo"]


async def test_update_sees_what_was_committed(engine, log):
    sessions = Sessions(engine)

    async def update():
        LOG.append(await sessions.pages())

    async def endpoint(session, tasks):
        defer(update, after_commit=session)

    await visit(app_of(sessions, endpoint))
    assert log[-1] == ["Foo"]


async def test_update_never_runs_when_the_session_rolls_back(engine, log):
    sessions = Sessions(engine)

    async def endpoint(session, tasks):
        updates(session)
        defer(LOG.append, "untied")
        raise HTTPException(409)

    messages = await visit(app_of(sessions, endpoint))
    assert messages[0]["status"] == 409
    assert log == ["rollback", "start", "body", "untied"]
    assert await sessions.pages() == []


async def test_update_never_runs_when_the_session_is_closed_without_a_commit(engine, log):
    class Forgetful(Sessions):
        async def opened(self):
            async with AsyncSession(self.engine) as session:
                yield session

    async def endpoint(session, tasks):
        updates(session)

    await visit(app_of(Forgetful(engine), endpoint))
    assert log == ["start", "body"]


async def test_update_never_runs_when_the_commit_itself_fails(engine, log):
    class Broken(Sessions):
        async def opened(self):
            async with AsyncSession(self.engine) as session:
                yield session
                await session.execute(sa.text("SELECT nonsense"))

    async def endpoint(session, tasks):
        updates(session)

    await visit(app_of(Broken(engine), endpoint), raising=sa.exc.DBAPIError)
    assert log == ["start", "body"]


async def test_presend_neither_hangs_nor_runs_early_while_the_session_is_open(engine, log):
    async def endpoint(session, tasks):
        defer(LOG.append, "pre", stage=Stage.PRESEND, after_commit=session)

    with anyio.fail_after(60):
        await visit(app_of(Sessions(engine), endpoint))
    assert log == ["start", "body", "commit", "pre"]


async def test_function_scope_gives_commit_presend_response(engine, log):
    async def endpoint(session, tasks):
        updates(session)

    await visit(app_of(Sessions(engine), endpoint, scope="function"))
    assert log == ["commit", "pre", "start", "body", "post"]


async def test_function_scope_that_rolls_back_drops_the_update_and_its_error_is_the_response(engine, log):
    async def endpoint(session, tasks):
        updates(session)
        raise HTTPException(409)

    messages = await visit(app_of(Sessions(engine), endpoint, scope="function"))
    assert messages[0]["status"] == 409
    assert log == ["rollback", "start", "body"]


async def test_http_exception_of_presend_rolls_the_request_scope_back(engine, log):
    sessions = Sessions(engine)

    def refuse():
        raise HTTPException(429, "too many")

    async def endpoint(session, tasks):
        defer(refuse, stage=Stage.PRESEND)
        defer(LOG.append, "post", after_commit=session)

    messages = await visit(app_of(sessions, endpoint))
    assert messages[0]["status"] == 429
    assert sorted(log) == ["body", "rollback", "start"]
    assert await sessions.pages() == []


async def test_dependency_that_swallows_exceptions_hides_nothing(engine, log):
    class Swallowing(Sessions):
        async def opened(self):
            async with AsyncSession(self.engine) as session:
                try:
                    yield session
                except Exception:  # noqa: BLE001 - as careless people write it
                    await session.rollback()

    def refuse():
        raise HTTPException(429, "too many")

    async def endpoint(session, tasks):
        defer(refuse, stage=Stage.PRESEND)

    await visit(app_of(Swallowing(engine), endpoint), raising=FastAPIError)
    assert log == ["start", "body"]


async def test_savepoint_that_rolls_back_drops_only_its_own(engine, log):
    async def endpoint(session, tasks):
        defer(LOG.append, "outer", after_commit=session)
        savepoint = await session.begin_nested()
        defer(LOG.append, "inner", after_commit=session)
        await savepoint.rollback()

    await visit(app_of(Sessions(engine), endpoint))
    assert log == ["start", "body", "commit", "outer"]


async def test_cancel_on_rollback_cancels_and_never_waits(engine, log):
    async def endpoint(session, tasks):
        defer(LOG.append, "pre", stage=Stage.PRESEND, cancel_on_rollback=[session])
        defer(LOG.append, "post", cancel_on_rollback=[session])

    await visit(app_of(Sessions(engine), endpoint))
    assert log[:2] == ["pre", "start"]
    assert "post" in log


async def test_many_requests_each_wait_for_their_own_commit(engine, log):
    sessions = Sessions(engine)

    async def endpoint(session, tasks):
        defer(LOG.append, "post", after_commit=session)

    async with Server(app_of(sessions, endpoint)) as server, anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(server.get, "/")
    assert log.count("post") == log.count("commit") == 20
