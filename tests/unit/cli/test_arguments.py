"""What is typed: JSON, pids, stores."""

from __future__ import annotations

import io

import pytest

from procactors import ProcessStatus
from procactors.cli import arguments
from procactors.cli.arguments import json_given, pid_given, statuses_given, store_url
from procactors.cli.failure import BadInputError, CommandError
from procactors.testing import manager
from tests.unit.cli.samples import PLAIN


def test_json_is_read_from_the_option():
    assert json_given('{"a": [1, null]}') == {"a": [1, None]}


def test_no_json_is_none():
    assert json_given(None) is None


def test_json_is_read_from_a_file(tmp_path):
    (tmp_path / "a.json").write_text("[1]", "utf-8")
    assert json_given(f"@{tmp_path}/a.json") == [1]


def test_json_is_read_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO('{"b": 2}'))
    assert json_given("-") == {"b": 2}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"a": tru}', "line 1, column 7, before 'tru}'"),
        ('{"a":\n 1,}', "line 2, column"),
        ('{"a": ', "line 1, column 7, at its end"),
        ("", "line 1, column 1, at its end"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_not_json_gets_the_place(text, where):
    with pytest.raises(BadInputError, match=r"^--data") as caught:
        json_given(text)
    assert where in str(caught.value)


@pytest.mark.parametrize("name", ["gone.json", "folder", "binary"])
def test_file_that_can_not_be_read_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInputError, match=name):
        json_given(f"@{tmp_path}/{name}")


def test_statuses_may_be_repeated_and_joined():
    assert statuses_given(["failed,timed-out", "RUNNING"]) == [
        ProcessStatus.FAILED,
        ProcessStatus.TIMED_OUT,
        ProcessStatus.RUNNING,
    ]
    assert statuses_given([]) is None


def test_unknown_status_gets_the_known_ones():
    with pytest.raises(BadInputError, match="'done'; there are queued, running"):
        statuses_given(["done"])


@pytest.mark.parametrize(
    ("db", "reason"),
    [
        ("", "--db"),
        ("app.db", "names no store"),
        ("sqlite:///gone.db", "there is no file gone.db"),
        ("sqlite:///a.db?x=1", "not known"),
        ("memory://", "another program"),
    ],
)
def test_store_that_a_client_can_not_use_is_refused(db, reason):
    with pytest.raises(BadInputError, match=reason):
        store_url(db)


def test_store_of_a_manager_need_not_exist():
    assert store_url("sqlite:///gone.db", must_exist=False) == "sqlite:///gone.db"
    assert store_url("memory://", must_exist=False) == "memory://"


async def started(m, count):
    return [(await m.start(PLAIN)).pid for _ in range(count)]


async def test_whole_pid_is_taken_as_it_is_in_any_form():
    async with manager() as m:
        pid = "0" * 31 + "A"
        assert await pid_given(m, f"{pid[:8]}-{pid[8:]}") == pid.lower()


async def test_pid_may_be_shortened_to_what_is_unique(monkeypatch):
    monkeypatch.setattr(arguments, "_PAGE", 2)
    async with manager() as m:
        pids = await started(m, 7)
        for pid in pids:
            assert await pid_given(m, pid[:16]) == pid


async def test_pid_that_is_shortened_too_much_gets_the_candidates(monkeypatch):
    async with manager() as m:
        first, second = await started(m, 2)
        with pytest.raises(BadInputError, match="2 processes' pids begin with") as caught:
            await pid_given(m, first[:8])
        assert first[:16] in str(caught.value)
        assert second[:16] in str(caught.value)
        monkeypatch.setattr(arguments, "_PAGE", 2)
        await started(m, 1)
        with pytest.raises(BadInputError, match=r"2\+ processes' pids begin with"):
            await pid_given(m, first[:8])


async def test_pid_is_found_behind_others_that_have_its_digits_elsewhere(monkeypatch):
    monkeypatch.setattr(arguments, "_PAGE", 2)
    async with manager() as m:
        (pid,) = await started(m, 1)
        for number in range(5):
            await m.start(PLAIN, key=f"{pid[:16]} {number}", tags=[pid[:16]])
        assert await pid_given(m, pid[:16]) == pid


async def test_pid_that_nothing_begins_with_is_unknown():
    async with manager() as m:
        await started(m, 1)
        with pytest.raises(CommandError, match="begins with ffffffff"):
            await pid_given(m, "ffffffff")


@pytest.mark.parametrize("text", ["", "1234567", "0" * 33, "not-a-pid-at-all", "0x12345678", "'; drop table"])
async def test_malformed_pid_is_refused(text):
    async with manager() as m:
        with pytest.raises(BadInputError, match="is not a pid"):
            await pid_given(m, text)
