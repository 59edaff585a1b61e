"""The document import service of docs/examples, by the commands of its page, and killed in the middle."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest

from tests.integration.example_servers import EXAMPLES, served, typed, wait_for

SERVICE = EXAMPLES / "document_import"
PAGE = (SERVICE / "README.md").read_text("utf-8")
UPLOAD, LOOK, DECIDE = re.findall(r"^curl .+$", PAGE, re.MULTILINE)
LINES = int(re.search(r"^seq 1 (\d+) > numbers.txt$", PAGE, re.MULTILINE)[1])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "numbers.txt").write_text("".join(f"{number}\n" for number in range(1, LINES + 1)))
    return tmp_path


def serving(folder, seconds_a_page):
    return served("app:app", folder, SERVICE, DATA=str(folder / "data"), SECONDS_A_PAGE=str(seconds_a_page))


def until(client, document, is_there):
    """Return what the service says of a document as soon as that is so."""
    return wait_for(lambda: typed(client, LOOK, ID=document).json(), is_there)


def mails(folder, number):
    """Return the mails as soon as there are so many."""
    outbox = folder / "data" / "outbox.txt"
    return wait_for(
        lambda: sorted(outbox.read_text("utf-8").splitlines()) if outbox.exists() else [],
        lambda found: len(found) >= number,
    )


def outputs(client, pid):
    """Return the events that have the outputs of a process's steps."""
    stream = client.get(f"/processes/api/processes/{pid}/events").text
    events = re.findall(r"^event: (\w+)\ndata: (.+)$", stream, re.MULTILINE)
    return [json.loads(data) for kind, data in events if kind == "StepFinished"]


def test_a_document_is_imported_across_a_kill_and_published(folder):
    with serving(folder, 3600) as client:  # it counts one page, and no more
        accepted = typed(client, UPLOAD, folder)
        assert accepted.status_code == 303
        page = client.get(accepted.headers["location"])
        assert "1 documents, 0 published" in page.text  # counted before the response
        assert "EventSource" in page.text
        document = accepted.headers["location"].rpartition("/")[2]
        until(client, document, lambda now: now["step"] == "count" and now["progress"] == [1, LINES / 40])

    with serving(folder, 0) as client:
        asked = until(client, document, lambda now: now["status"] == "interrupted")
        assert f"{LINES} words" in client.get(f"/documents/{document}").text
        assert typed(client, DECIDE.replace("s3cret", "guess"), ID=document).status_code == 403
        assert typed(client, DECIDE, ID=document).status_code == 303
        published = until(client, document, lambda now: now["is_published"])
        assert (published["pages"], published["words"]) == (LINES / 40, LINES)
        assert mails(folder, 2) == [
            "to author: numbers.txt was published",
            "to editor: numbers.txt was uploaded",
        ]
        _, count, *_ = outputs(client, asked["pid"])
        assert count["output"]["found_counted"] == 1  # it went on where it was
        assert count["attempt"] == 2
        wait_for(lambda: client.get("/").text, lambda page: "1 documents, 1 published" in page)
        again = typed(client, UPLOAD, folder)
        assert again.headers["location"] == accepted.headers["location"]
        assert typed(client, DECIDE, ID=document).status_code == 409


def test_what_can_not_be_read_fails_its_import_and_nothing_else(folder):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../evil.txt", "one\ntwo")
        archive.writestr("picture.png", b"\x89")
    with serving(folder, 0) as client:
        cut = packed.getvalue()[:20] + b"PK\x05\x06" + b"\0" * 8 + b"\xff" * 8 + b"\0\0"
        broken = client.post("/documents", files={"file": ("broken.zip", cut)})
        document = broken.headers["location"].rpartition("/")[2]
        until(client, document, lambda now: now["status"] == "failed")
        assert "The import failed in step split" in client.get(f"/documents/{document}").text

        whole = client.post("/documents", files={"file": ("<b>.zip", packed.getvalue())})
        document = whole.headers["location"].rpartition("/")[2]
        until(client, document, lambda now: now["status"] == "interrupted")
        assert "&lt;b&gt;.zip" in client.get("/").text
        refused = client.post(f"/documents/{document}/decision", data={"token": "s3cret", "note": "dull"})
        assert refused.status_code == 303
        assert "to author: <b>.zip was refused: dull" in mails(folder, 3)
        assert not list(folder.rglob("evil*"))

        assert client.post("/documents", data={"file": "no file"}).status_code == 400
        assert client.post("/documents", files={"file": ("big", b"x" * 10_000_000)}).status_code == 413
        foreign = {"sec-fetch-site": "cross-site"}
        assert client.post("/documents", files={"file": ("a.txt", b"a")}, headers=foreign).status_code == 403
        assert client.get("/documents/nothing").status_code == 404
