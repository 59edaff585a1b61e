"""Where the demo reads, and where it writes."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from urllib.parse import quote

import msgspec

from procactors.cli.arguments import store_url
from procactors.cli.failure import BadInputError
from procactors.stores._url import sqlite_location

_LEFT_OUT = ("__pycache__", "node_modules")
_LEFT_OUT_OF_PYTHON = (
    *("__pycache__", "site-packages", "dist-packages", "lib-dynload"),
    *("test", "tests", "idle_test"),
)
_STORE_FILES = ("", "-wal", "-shm", "-journal")


class Places(msgspec.Struct, frozen=True):
    """Where everything is.

    Attributes:
        folder: The folder whose files are worked on.
        out: The folder for results and, unless the URL says otherwise, the store.
        url: The store.
        left_out: Names of folders, and paths, that are not worked on.
    """

    folder: str
    out: Path
    url: str
    left_out: tuple[str, ...]


def places(folder: Path | None, out: Path | None, url: str) -> Places:
    """Return where everything is; the folder for results is made.

    Args:
        folder: None: Python's standard library, without its tests.
        out: None: in the user's folder for states.
        url: "": a file in the folder for results.

    Raises:
        BadInputError: A folder is not there or can't be used, or the URL is not well formed.
    """
    names = _LEFT_OUT_OF_PYTHON if folder is None else _LEFT_OUT
    look_into = _folder_to_read(folder or Path(sysconfig.get_path("stdlib")))
    write_into = _folder_to_write(out or _state_folder())
    if look_into == write_into:
        raise BadInputError("the results can't go into the folder that is looked into: give another --out")
    url = store_url(url or f"sqlite:///{quote(str(write_into / 'demo.db'))}", must_exist=False)
    return Places(str(look_into), write_into, url, (*names, str(write_into), *_store_files(url)))


def _state_folder() -> Path:
    base = os.environ.get("XDG_STATE_HOME", "")
    return Path(base or "~/.local/state", "procactors", "demo").expanduser()


def _folder_to_read(path: Path) -> Path:
    try:
        path = path.resolve(strict=True)
        with os.scandir(path):
            pass
    except OSError as error:
        raise BadInputError(f"{path} can't be looked into: {error.strerror}") from None
    return _as_text(path)


def _folder_to_write(path: Path) -> Path:
    try:
        path = path.resolve()
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"{path} can't be made: {error.strerror}; give another --out") from None
    if not os.access(path, os.W_OK):
        raise BadInputError(f"{path} can't be written to: give another --out")
    return _as_text(path)


def _as_text(path: Path) -> Path:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise BadInputError(f"the name of {path!r} is not UTF-8: rename the folder") from None
    return path


def _store_files(url: str) -> tuple[str, ...]:
    """Return the store's files: they must not be opened while the store is open."""
    if not url.startswith("sqlite:"):
        return ()
    path = sqlite_location(url).path.resolve()
    return tuple(f"{path}{ending}" for ending in _STORE_FILES)
