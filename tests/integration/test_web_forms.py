"""Forms on the page of a process: what can't be done comes back with what was typed; secrets don't."""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated

import msgspec
import pytest

from procactors import Interrupt, Process
from procactors.web import allow_all
from tests.integration.web_reading import Forms, forms_on, is_own_page, send
from tests.integration.web_shop import ASKING, BROKEN, LASTING, OPEN, QUICK, shop, until


class Channel(Enum):
    WEB = "web"
    PAPER = "paper"


class Author(msgspec.Struct, frozen=True):
    name: str
    token: str = "deep secret"


class Everything(msgspec.Struct):
    approved: bool
    channel: Channel
    title: str
    pages: Annotated[int, msgspec.Meta(ge=1, le=900)] = 1
    price: float | None = None
    password: str = "open sesame"
    author: Author = Author("nobody")
    tags: list[str] = []


async def ask_everything(data):
    return Interrupt({**data, "password": "open sesame"}, schema=Everything)


async def say(data):
    return data


THOROUGH = Process("thorough", [ask_everything, say])


def alert_on(page):
    found = re.search(r'<p class="wrong" role="alert"[^>]*>([^<]*)', page.text)
    return found[1] if found else None


async def test_a_form_of_every_kind_of_field_is_filled_in():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(THOROUGH)).pid
        await until(manager, pid, "interrupted")
        page = await client.get(f"/processes/{pid}")
        fields = Forms(page.text).found["proceed"]
        for name in ("approved", "channel", "title", "pages", "price", "password", "author", "tags"):
            assert f'<label for="field.{name}">' in page.text
        assert re.search(r'name="field.pages"[^>]* min="1" max="900"', page.text)
        said = {
            "field.approved": "true",
            "field.channel": '"paper"',
            "field.title": "",
            "field.pages": "7",
            "field.price": "2.5",
            "field.author": '{"name": "Ann"}',
            "field.tags": '["a", "b"]',
        }
        response = await send(client, pid, "proceed", {**fields, **said})
        assert response.status_code == 303
        output = await manager.result(pid)
    assert output["approved"] is True
    assert (output["channel"], output["title"], output["pages"], output["price"]) == ("paper", "", 7, 2.5)
    assert output["author"] == {"name": "Ann"}
    assert output["tags"] == ["a", "b"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"field.pages": "many"}, "pages must be a number"),
        ({"field.author": '{"name": '}, "author is not JSON"),
        ({"field.channel": '"radio"'}, "radio"),
        ({"field.approved": ""}, "approved"),
    ],
)
async def test_an_answer_that_does_not_fit_comes_back_as_it_was_typed(wrong, words):
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(THOROUGH)).pid
        await until(manager, pid, "interrupted")
        fields = (await forms_on(client, pid))["proceed"]
        said = {
            "field.approved": "false",
            "field.channel": '"web"',
            "field.title": '"><b>',
            "field.tags": '["</textarea>"]',
        }
        page = await send(client, pid, "proceed", {**fields, **said, **wrong})
        assert page.status_code == 422
        assert is_own_page(page)
        assert words in alert_on(page)
        assert "data-live=" not in page.text
        again = Forms(page.text).found["proceed"]
        shown = {**fields, **said, **wrong}
        if wrong.get("field.channel"):
            shown["field.channel"] = ""
        assert again == shown
        assert (await manager.info(pid)).status == "interrupted"
        assert (await send(client, pid, "proceed", {**fields, **said})).status_code == 303


async def test_other_answers_and_forms_come_back_too():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(OPEN)).pid
        await until(manager, pid, "interrupted")
        forms = await forms_on(client, pid)
        page = await send(client, pid, "proceed", {**forms["proceed"], "data": "\n{"})
        assert (page.status_code, Forms(page.text).found["proceed"]["data"]) == (422, "\n{")
        page = await send(client, pid, "fork", {**forms["fork"], "step": "count", "data": "[1, "})
        assert page.status_code == 422
        fork = Forms(page.text).found["fork"]
        assert (fork["step"], fork["data"]) == ("count", "[1, ")
        assert '<details data-key="fork" open>' in page.text
        page = await send(client, pid, "rewind", {**forms["rewind"], "step": "nowhere"})
        assert page.status_code == 409
        assert "nowhere" in alert_on(page)


async def test_what_came_too_late_is_told_on_the_page_of_the_process():
    async with shop(allow_all) as (manager, client):
        asking = (await manager.start(ASKING)).pid
        await until(manager, asking, "interrupted")
        forms = await forms_on(client, asking)
        await manager.proceed(asking, {"approved": True})
        await manager.result(asking)
        for action, more in (("proceed", {"field.approved": "true"}), ("cancel", {"reason": "late"})):
            page = await send(client, asking, action, {**forms[action], **more})
            assert page.status_code == 409
            assert is_own_page(page)
            assert asking in alert_on(page)
            assert action not in Forms(page.text).found
            assert "finished" in page.text


async def test_a_form_about_what_is_gone_or_hidden_is_not_there():
    hidden = set()
    async with shop(lambda request, action, pid: pid not in hidden) as (manager, client):
        pid = (await manager.start(LASTING)).pid
        await until(manager, pid, "running")
        fields = (await forms_on(client, pid))["cancel"]
        hidden.add(pid)
        page = await send(client, pid, "cancel", fields)
        assert (page.status_code, is_own_page(page)) == (404, True)
        assert "lasting" not in page.text
        hidden.clear()
        assert (await manager.info(pid)).status == "running"


async def test_secrets_are_in_no_form():
    async with shop(allow_all, redact=["Password", "token"]) as (manager, client):
        pid = (await manager.start(THOROUGH)).pid
        await until(manager, pid, "interrupted")
        page = await client.get(f"/processes/{pid}")
        assert "secret" not in page.text
        assert "sesame" not in page.text
        fields = Forms(page.text).found["proceed"]
        assert fields["field.password"] == fields["field.author"] == ""
        assert re.search(r'name="field.password"[^>]* type="password"', page.text)
        typed = {"field.password": "typed secret", "field.approved": "", "field.title": "seen"}
        again = await send(client, pid, "proceed", {**fields, **typed})
        assert again.status_code == 422
        assert "secret" not in again.text
        assert Forms(again.text).found["proceed"]["field.title"] == "seen"
        said = {**typed, "field.approved": "true", "field.channel": '"web"'}
        assert (await send(client, pid, "proceed", {**fields, **said})).status_code == 303
        assert (await manager.result(pid))["password"] == "typed secret"
        ended = await client.get(f"/processes/{pid}")
        assert "secret" not in ended.text
        assert "[redacted]" in ended.text


@pytest.mark.parametrize("action", ["proceed", "cancel", "rewind", "fork"])
async def test_who_may_not_do_it_has_no_form_for_it(action):
    async with shop(lambda request, wanted, pid: wanted != action) as (manager, client):
        pid = (await manager.start(ASKING)).pid
        await until(manager, pid, "interrupted")
        forms = await forms_on(client, pid)
        assert set(forms) == {"proceed", "cancel", "rewind", "fork"} - {action}
        token = next(iter(forms.values()))["token"]
        refused = await send(client, pid, action, {"token": token, "step": "ask"})
        assert (refused.status_code, is_own_page(refused)) == (403, True)
        assert (await manager.info(pid)).status == "interrupted"
        assert len(await manager.list()) == 1


async def test_a_failed_process_is_retried_by_its_form():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(BROKEN)).pid
        await until(manager, pid, "failed")
        response = await send(client, pid, "retry", (await forms_on(client, pid))["retry"])
        assert (response.status_code, response.headers["location"]) == (303, f"/processes/{pid}")
        async with manager.subscribe(pid) as events:
            kinds = [type(event).__name__ async for event in events]
        assert kinds.count("ProcessRetried") == 1
        assert kinds.count("ProcessFailed") == 2


async def test_a_step_is_run_again_by_its_form():
    async with shop(allow_all) as (manager, client):
        handle = await manager.start(QUICK, {"a": 1})
        await handle.result()
        fields = (await forms_on(client, handle.pid))["rewind"]
        response = await send(client, handle.pid, "rewind", {**fields, "step": "again"})
        assert response.status_code == 303
        assert await handle.result() == {"a": 1, "count": 2}
        page = await client.get(f"/processes/{handle.pid}")
        assert page.text.count("attempt 1") >= 2
