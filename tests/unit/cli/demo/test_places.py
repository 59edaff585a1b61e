"""Where the demo reads and writes."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest

from procactors.cli.demo.places import places
from procactors.cli.failure import BadInputError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def test_default_is_the_standard_library_and_the_users_folder_for_states(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = places(None, None, "")
    assert found.folder == str(Path(sysconfig.get_path("stdlib")).resolve())
    assert found.out == tmp_path / "procactors" / "demo"
    assert found.url == f"sqlite:///{tmp_path}/procactors/demo/demo.db"
    assert "test" in found.left_out


def test_store_is_among_the_results_and_is_left_out_of_the_work(folder, tmp_path):
    found = places(folder, tmp_path / "o u%t", "")
    assert found.url == f"sqlite:///{tmp_path}/o%20u%25t/demo.db"
    for ending in ("", "-wal", "-shm"):
        assert f"{tmp_path}/o u%t/demo.db{ending}" in found.left_out
    assert str(found.out) in found.left_out


def test_store_may_be_elsewhere(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = places(folder, tmp_path / "out", "sqlite:///in/my.db")
    assert found.url == "sqlite:///in/my.db"
    assert f"{folder}/my.db" in found.left_out
    assert places(folder, tmp_path / "out", "memory://").url == "memory://"


@pytest.mark.parametrize(
    ("folder", "out", "url", "reason"),
    [
        ("gone", "out", "", "gone can't be looked into: No such file"),
        ("file", "out", "", "file can't be looked into: Not a directory"),
        ("in", "file/out", "", "can't be made"),
        ("in", "in", "", "can't go into the folder"),
        ("in", "out", "my.db", "names no store"),
    ],
)
def test_place_that_can_not_be_used_is_refused(tmp_path, folder, out, url, reason):
    (tmp_path / "in").mkdir()
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(BadInputError, match=reason):
        places(tmp_path / folder, tmp_path / out, url)


def test_folder_that_is_not_writable_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root may write everywhere
    with pytest.raises(BadInputError, match="can't be written to"):
        places(folder, tmp_path / "out", "")


def test_folder_whose_name_is_no_text_is_refused(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    path.mkdir()
    with pytest.raises(BadInputError, match="not UTF-8"):
        places(path, tmp_path / "out", "")
