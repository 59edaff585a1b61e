"""The pages, read without JavaScript: what they show, their forms, what is escaped and what is hidden."""

from __future__ import annotations

import re

import pytest

from procactors import Interrupt, Process, Retry, Step
from procactors.web import allow_all
from tests.integration.web_reading import Forms, forms_on, is_own_page, send
from tests.integration.web_shop import (
    ASKING,
    BROKEN,
    LASTING,
    OPEN,
    PARENT,
    QUICK,
    UNKNOWN_PID,
    break_down,
    shop,
    until,
)

ATTACK = "<script>alert(1)</script>"


# What they show.


async def test_the_list_shows_filters_and_pages():
    async with shop(allow_all) as (manager, client):
        empty = await client.get("/")
        assert "No processes yet" in empty.text
        asking = (await manager.start(ASKING)).pid
        for _ in range(3):
            await (await manager.start(QUICK)).result()
        await until(manager, asking, "interrupted")
        page = await client.get("/")
        assert is_own_page(page)
        assert page.text.count('<th scope="row">') == 4
        assert f"/processes/{asking}" in page.text
        found = await client.get("/", params={"status": "interrupted", "name": ""})
        assert found.text.count('<th scope="row">') == 1
        assert 'value="interrupted" selected' in found.text
        first = await client.get("/?name=quick&limit=2")
        older = re.search(r'rel="next" href="([^"]+)"', first.text)[1].replace("&amp;", "&")
        rest = await client.get(older)
        assert (first.text.count('<th scope="row">'), rest.text.count('<th scope="row">')) == (2, 1)
        assert 'rel="next"' not in rest.text


async def test_a_page_shows_steps_with_attempts_and_the_error():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(BROKEN, {"a": 1})).pid
        await until(manager, pid, "failed")
        page = await client.get(f"/processes/{pid}")
    assert is_own_page(page)
    for words in ("break_down", "ValueError", "Traceback (most recent call last)", "completed", "failed"):
        assert words in page.text
    assert page.text.count("<rect") == 2
    assert "broken &lt;b&gt;down&lt;/b&gt;" in page.text
    assert set(Forms(page.text).found) == {"retry", "skip", "rewind", "fork"}


async def test_of_a_large_payload_the_beginning_is_shown():
    async with shop(allow_all) as (manager, client):
        handle = await manager.start(QUICK, {"first": "seen", "rows": [{"n": n} for n in range(30_000)]})
        await handle.result()
        page = await client.get(f"/processes/{handle.pid}")
        assert "seen" in page.text
        assert "more" in page.text
        assert len(page.content) < 200_000
        assert len((await client.get(f"/api/processes/{handle.pid}")).json()["output"]["rows"]) == 30_000


async def test_of_many_attempts_the_newest_are_shown():
    step = Step("again", break_down, retry=Retry(attempts=30, delay=0))
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(Process("stubborn", [step]))).pid
        await until(manager, pid, "failed")
        page = await client.get(f"/processes/{pid}")
    assert is_own_page(page)
    assert page.text.count('<p class="wrong">Attempt ') == 20
    assert "Attempt 30:" in page.text
    assert "Attempt 10:" not in page.text
    assert "10 earlier attempts are not shown" in page.text


async def test_a_running_process_shows_its_progress_and_an_ended_one_its_output():
    async with shop(allow_all) as (manager, client):
        lasting, quick = await manager.start(LASTING), await manager.start(QUICK, {"a": "answer"})
        await quick.result()
        async with lasting.subscribe() as events:
            async for event in events:
                if type(event).__name__ == "StepProgressed":
                    break
        page = await client.get(f"/processes/{lasting.pid}")
        assert 'max="2.0" value="1.0"' in page.text
        assert "data-live=" in page.text
        assert "cancel" in Forms(page.text).found
        ended = await client.get(f"/processes/{quick.pid}")
    assert "&#34;answer&#34;" in ended.text
    assert "data-live=" not in ended.text


async def test_parents_and_children_lead_to_each_other():
    async with shop(allow_all) as (manager, client):
        parent = await manager.start(PARENT)
        await parent.result()
        (child,) = [info for info in await manager.list() if info.parent_pid]
        assert f"/processes/{child.pid}" in (await client.get(f"/processes/{parent.pid}")).text
        assert f"/processes/{parent.pid}" in (await client.get(f"/processes/{child.pid}")).text


async def test_managers_are_shown_with_what_they_run_and_what_waits():
    async with shop(allow_all) as (manager, client):
        lasting = await manager.start(LASTING)
        await until(manager, lasting.pid, "running")
        await manager.pause("quick")
        await manager.start(QUICK)
        page = await client.get("/managers")
        assert is_own_page(page)
        assert manager.name in page.text
        assert re.search(rf'1: <a href="/processes/{lasting.pid}"[^>]*>lasting</a>', page.text)
        assert page.text.count("data-since=") == 2
        assert page.text.count("none waits") == 1
        total, other, quick = (await client.get("/api/queues")).json()
        assert other["oldest_due_at"] is None
        assert total["oldest_due_at"] == quick["oldest_due_at"] is not None


async def test_the_list_is_searched_and_keeps_what_it_is_narrowed_to():
    async with shop(allow_all) as (manager, client):
        for process, how in ((QUICK, {"tags": ["blue"]}), (BROKEN, {"key": "order b"}), (QUICK, {})):
            await until(manager, (await manager.start(process, **how)).pid, "finished", "failed")

        async def rows(query):
            page = await client.get(query)
            assert is_own_page(page)
            return page, page.text.count('<th scope="row">')

        page, count = await rows("/?search=QUI")
        assert (count, 'value="QUI"' in page.text, "Show all" in page.text) == (2, True, True)
        for query in ("search=blue", "search=order+b", "search=broken&status=failed"):
            assert (await rows(f"/?{query}"))[1] == 1
        page, count = await rows("/?status=failed,timed_out&name=broken")
        assert count == 1
        assert '<option value="failed,timed_out" selected>failed or timed out</option>' in page.text
        assert '<option value="broken" selected>' in page.text
        assert '<option value="quick">' in page.text
        assert "No processes here" in (await rows("/?search=nothing"))[0].text
        first = await client.get("/?search=quick&limit=1")
        older = re.search(r'rel="next" href="([^"]+)"', first.text)[1].replace("&amp;", "&")
        assert (await rows(older))[1] == 1


async def test_a_queue_is_paused_by_its_form():
    async with shop(allow_all) as (manager, client):
        page = await client.get("/managers")
        token = Forms(page.text).found["pause"]["token"]
        for verb, is_paused in (("pause", True), ("resume", False)):
            forged = await client.post(f"/api/queues/{verb}", data={"name": "", "token": "forged"})
            assert forged.status_code == 403
            done = await client.post(f"/api/queues/{verb}", data={"name": "", "token": token})
            assert (done.status_code, done.headers["location"]) == (303, "/managers")
            assert (await manager.queues())[0].is_paused is is_paused


@pytest.mark.parametrize(
    ("path", "kind"), [("procactors.css", "text/css"), ("procactors.js", "javascript"), ("icon.svg", "svg")]
)
async def test_what_pages_need_comes_from_here(path, kind):
    async with shop(allow_all) as (_, client):
        response = await client.get(f"/static/{path}")
    assert response.status_code == 200
    assert kind in response.headers["content-type"]


async def test_what_is_not_there_is_a_page_too():
    async with shop(allow_all) as (_, client):
        for path in (f"/processes/{UNKNOWN_PID}", "/processes/x", "/nothing", "/static/nothing"):
            page = await client.get(path)
            assert page.status_code == 404
            assert is_own_page(page)
        assert (await client.get("/?status=odd")).status_code == 400


# What is escaped and what is hidden.


async def asks_with_attack(data):
    return Interrupt({"question": ATTACK})


async def fails_with_attack(data):
    raise ValueError(ATTACK)


async def test_nothing_that_comes_from_a_process_is_markup():
    steps = [Step(ATTACK, asks_with_attack), Step(f"{ATTACK}2", fails_with_attack)]
    async with shop(allow_all) as (manager, client):
        process = Process(f"name {ATTACK}", steps)
        handle = await manager.start(process, {ATTACK: ATTACK}, key=ATTACK, tags=[ATTACK])
        await until(manager, handle.pid, "interrupted")
        asked = await client.get(f"/processes/{handle.pid}")
        await handle.proceed({"answer": ATTACK})
        await until(manager, handle.pid, "failed")
        for page in (asked, await client.get(f"/processes/{handle.pid}"), await client.get("/")):
            assert is_own_page(page)
            assert ATTACK not in page.text
            assert "&lt;script&gt;" in page.text
        for query in (f"/?name={ATTACK}", f"/?status={ATTACK}", f"/?after={ATTACK}"):
            page = await client.get(query)
            assert ATTACK not in page.text


async def test_redacted_fields_are_on_no_page():
    async with shop(allow_all, redact=["Password"]) as (manager, client):
        data = {"password": "open sesame", "seen": "visible"}
        quick, asking = await manager.start(QUICK, data), await manager.start(ASKING, data)
        await quick.result()
        await until(manager, asking.pid, "interrupted")
        for pid in (quick.pid, asking.pid):
            text = (await client.get(f"/processes/{pid}")).text
            assert "sesame" not in text
            assert "[redacted]" in text
            assert "visible" in text


async def test_pages_show_only_what_may_be_read_and_done():
    hidden = set()

    def authorize(request, action, pid):
        return pid is not None and pid not in hidden and action in {"read", "fork"}

    async with shop(authorize) as (manager, client):
        mine, other = (await manager.start(ASKING)).pid, (await manager.start(ASKING)).pid
        hidden.add(other)
        await until(manager, mine, "interrupted")
        page = await client.get("/")
        assert mine in page.text
        assert other not in page.text
        assert "(1)" not in page.text
        assert (await client.get(f"/processes/{other}")).status_code == 404
        assert set(await forms_on(client, mine)) == {"fork"}
        assert (await client.get("/managers")).status_code == 404


# Forms.


async def test_a_question_is_answered_in_a_form_made_of_its_schema():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(ASKING, {"a": 1})).pid
        await until(manager, pid, "interrupted")
        fields = (await forms_on(client, pid))["proceed"]
        assert set(fields) == {"token", "field.approved", "field.note", "field.amount"}
        assert (fields["field.approved"], fields["field.amount"]) == ("", "1")
        wrong = await send(client, pid, "proceed", {**fields, "field.approved": "true", "field.amount": "x"})
        assert (wrong.status_code, "must be a number" in wrong.text) == (422, True)
        assert is_own_page(wrong)
        missing = await send(client, pid, "proceed", fields)
        assert (missing.status_code, "approved" in missing.text) == (422, True)
        response = await send(
            client, pid, "proceed", {**fields, "field.approved": "true", "field.note": "ok"}
        )
        assert (response.status_code, response.headers["location"]) == (303, f"/processes/{pid}")
        output = await manager.result(pid)
    assert output == {"a": 1, "approved": True, "note": "ok", "amount": 1, "count": 1}


async def test_a_question_without_a_schema_is_answered_in_json():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(OPEN)).pid
        await until(manager, pid, "interrupted")
        fields = (await forms_on(client, pid))["proceed"]
        assert (await send(client, pid, "proceed", {**fields, "data": "{"})).status_code == 422
        assert (await send(client, pid, "proceed", {**fields, "data": '{"b": 2}'})).status_code == 303
        assert await manager.result(pid) == {"b": 2, "count": 1}


async def test_a_failed_process_is_mended_by_forms():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(BROKEN)).pid
        await until(manager, pid, "failed")
        forms = await forms_on(client, pid)
        forked = await send(
            client, pid, "fork", {**forms["fork"], "step": "break_down", "data": '{"mended": 1}'}
        )
        assert forked.status_code == 303
        other = forked.headers["location"].rpartition("/")[2]
        assert await manager.result(other) == {"mended": 1}
        assert (await send(client, pid, "skip", forms["skip"])).status_code == 303
        await until(manager, pid, "finished")
        again = await send(client, pid, "retry", forms["retry"])
        assert again.status_code == 409
        assert f"/processes/{pid}" in again.text


async def test_a_process_is_cancelled_by_its_form():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(LASTING)).pid
        await until(manager, pid, "running")
        fields = (await forms_on(client, pid))["cancel"]
        assert (await send(client, pid, "cancel", {**fields, "reason": "enough"})).status_code == 303
        assert (await until(manager, pid, "cancelled")).reason == "enough"


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        (None, {}, 403),
        ("", {}, 403),
        ("forged", {}, 403),
        ("ümlaut", {}, 403),
        ("own", {"cookie": ""}, 403),
        ("own", {"origin": "http://evil.test"}, 403),
        ("own", {"origin": "null"}, 403),
        ("own", {"sec-fetch-site": "cross-site"}, 403),
        ("own", {}, 303),
    ],
)
async def test_a_form_needs_its_token(token, headers, status):
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(OPEN)).pid
        await until(manager, pid, "interrupted")
        own = (await forms_on(client, pid))["cancel"]["token"]
        fields = {} if token is None else {"token": own if token == "own" else token}
        if "cookie" in headers:
            client.cookies.clear()
        response = await send(client, pid, "cancel", {**fields, "reason": "x"}, **headers)
        assert response.status_code == status
        assert ((await manager.info(pid)).status == "interrupted") is (status == 403)


async def test_the_token_is_in_a_cookie_that_no_script_and_no_other_site_gets():
    async with shop(allow_all) as (manager, client):
        pid = (await manager.start(QUICK)).pid
        first = await client.get(f"/processes/{pid}")
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        second = await client.get(f"/processes/{pid}")
        assert Forms(first.text).found["fork"]["token"] == Forms(second.text).found["fork"]["token"]
