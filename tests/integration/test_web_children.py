"""The tree of children on the page of a process, and the list of all of them."""

from __future__ import annotations

import re

from procactors import Process
from procactors.web import _children, allow_all
from tests.integration.web_reading import is_own_page
from tests.integration.web_shop import LASTING, QUICK, shop, until


async def run_three(data, ctx):
    return await ctx.gather(*[(QUICK, {}, f"n{n}") for n in range(3)])


async def run_middle(data, ctx):
    return await ctx.run(Process("middle", [run_three]), data)


async def run_lasting(data, ctx):
    return await ctx.run(LASTING, data)


TOP = Process("top", [run_middle])


def tree_on(page):
    """Return the names in the tree, each with how deep it is."""
    part = page.text.partition('<section id="children"')[2].partition("</section>")[0]
    found, depth = [], 0
    for tag, name in re.findall(r'<(/?ul|a href="[^"]*")[^>]*>([^<]*)', part):
        depth += {"ul": 1, "/ul": -1}.get(tag, 0)
        if tag.startswith("a "):
            found.append((depth, name))
    return found


async def test_children_are_shown_as_a_tree_of_several_levels():
    async with shop(allow_all) as (manager, client):
        top = await manager.start(TOP)
        await top.result()
        page = await client.get(f"/processes/{top.pid}")
        assert is_own_page(page)
        assert tree_on(page) == [(1, "middle"), (2, "quick"), (2, "quick"), (2, "quick")]
        (middle,) = await manager.list(parent=top.pid)
        assert tree_on(await client.get(f"/processes/{middle.pid}")) == [(1, "quick")] * 3
        (quick, *_) = await manager.list(parent=middle.pid)
        assert "Children" not in (await client.get(f"/processes/{quick.pid}")).text


async def test_the_page_of_a_parent_hears_of_its_children_as_long_as_it_lives():
    async with shop(allow_all) as (manager, client):
        top = await manager.start(Process("top", [run_lasting]))
        await until(manager, top.pid, "waiting")
        page = await client.get(f"/processes/{top.pid}")
        assert 'data-live="/api/events"' in page.text
        (child,) = await manager.list(parent=top.pid)
        assert (
            f"/api/processes/{child.pid}/events?after=" in (await client.get(f"/processes/{child.pid}")).text
        )
        await top.cancel()
        await until(manager, top.pid, "cancelled")
        assert "data-live" not in (await client.get(f"/processes/{top.pid}")).text


async def test_many_children_lead_to_the_list_of_all(monkeypatch):
    monkeypatch.setattr(_children, "OF_ONE", 2)
    async with shop(allow_all) as (manager, client):
        top = await manager.start(TOP)
        await top.result()
        (middle,) = await manager.list(parent=top.pid)
        page = await client.get(f"/processes/{top.pid}")
        assert tree_on(page) == [(1, "middle"), (2, "quick"), (2, "quick"), (2, "All children of middle")]
        assert f'href="/?parent={middle.pid}"' in page.text
        everything = await client.get(f"/?parent={middle.pid}")
        assert is_own_page(everything)
        assert everything.text.count('<th scope="row">') == 3
        assert f'name="parent" value="{middle.pid}"' in everything.text
        assert (await client.get(f"/?parent={middle.pid}&status=failed")).text.count('scope="row"') == 0


async def test_a_tree_has_an_end(monkeypatch):
    monkeypatch.setattr(_children, "IN_ALL", 2)
    async with shop(allow_all) as (manager, client):
        top = await manager.start(TOP)
        await top.result()
        names = [name for _, name in tree_on(await client.get(f"/processes/{top.pid}"))]
        assert names == ["middle", "quick", "All children of middle"]
        monkeypatch.setattr(_children, "LEVELS", 1)
        assert tree_on(await client.get(f"/processes/{top.pid}")) == [(1, "middle")]


async def test_children_that_may_not_be_read_are_not_in_the_tree():
    hidden = set()
    async with shop(lambda request, action, pid: pid not in hidden) as (manager, client):
        top = await manager.start(TOP)
        await top.result()
        (middle,) = await manager.list(parent=top.pid)
        first, *_ = await manager.list(parent=middle.pid)
        hidden.add(first.pid)
        page = await client.get(f"/processes/{top.pid}")
        assert first.pid not in page.text
        assert [name for _, name in tree_on(page)] == ["middle", "quick", "quick"]
        hidden.add(middle.pid)
        assert tree_on(await client.get(f"/processes/{top.pid}")) == []
        listed = await client.get("/api/processes", params={"parent": middle.pid})
        assert first.pid not in listed.text
