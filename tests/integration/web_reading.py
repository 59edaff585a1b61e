"""Pages as a browser without JavaScript takes them: their forms, and what must not be in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from tests.integration.web_shop import HOST


class Forms(HTMLParser):
    """Finds the forms of a page, each with what a browser would send of it untouched."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self._fields = None
        self._select = self._textarea = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form" and given.get("method") == "post":
            self._fields = self.found[given["action"].rpartition("/")[2]] = {}
        elif self._fields is None:
            return
        elif tag in {"input", "textarea"}:
            self._fields[given["name"]] = given.get("value", "")
            self._textarea = given["name"] if tag == "textarea" else None
        elif tag == "select":
            self._select = given["name"]
            self._fields[self._select] = None
        elif tag == "option" and (self._fields[self._select] is None or "selected" in given):
            self._fields[self._select] = given["value"]

    def handle_data(self, data):
        if self._fields is not None and self._textarea is not None:
            self._fields[self._textarea] = data.removeprefix("\n")

    def handle_endtag(self, tag):
        self._textarea = None
        if tag == "form":
            self._fields = None


async def forms_on(client, pid):
    response = await client.get(f"/processes/{pid}")
    assert response.status_code == 200
    return Forms(response.text).found


async def send(client, pid, action, fields, **headers):
    return await client.post(
        f"/api/processes/{pid}/{action}", data=fields, headers={"origin": HOST, **headers}
    )


def is_own_page(response):
    """Nothing from another host, no script or style within."""
    text = response.text
    assert response.headers["content-type"].startswith("text/html")
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"\s(?:style|on\w+)=", text)
    return True
