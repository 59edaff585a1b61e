"""A folder with odd content, and a context that remembers what steps say."""

from __future__ import annotations

import os

from procactors import StepContext
from procactors.cli.demo.files import Job


class Reports:
    """Where the progress of a step goes in these tests."""

    def __init__(self):
        self.said = []

    def progressed(self, done, total, text):
        self.said.append((done, total, text))

    def beat(self):
        pass


def context():
    return StepContext("ab" * 16, "step", 1, {}, Reports())


def fill(folder):
    """Make files of every kind that a folder may hold; return how many of them a scan should find."""
    plain = {
        "a.py": b"x = 1\nprint(x)\n",
        "copy of a.py": b"x = 1\nprint(x)\n",
        "sub/words.txt": "naïve café\nthree words here\n".encode(),
        "empty": b"",
        "empty too": b"",
        "binary": b"\0\1\2" * 50,
        "latin.txt": "café".encode("latin-1"),
        "latin.py": "x = 'café'\n".encode("latin-1"),
        "broken.py": b"def (:\n  '''",
        "indented.py": b"if x:\n        y\n    z\n",
        "late.py": b"x = 1\n" * 5 + b"y = '\xe9'\n",
        "no newline at the end.py": b"y = 2",
    }
    for name, data in plain.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / ".git").mkdir()
    (folder / ".git" / "hidden.py").write_bytes(b"x = 1\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"\0")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "link.py").symlink_to(folder / "a.py")
    (folder / "dangling").symlink_to(folder / "gone")
    os.mkfifo(folder / "pipe")
    (folder / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    with open(os.fsencode(folder) + b"/\xff\xfe.txt", "wb") as file:  # noqa: PTH123 - no Path has such a name
        file.write(b"odd name")
    return len(plain) + 1


SKIPPED = 4  # two links, the pipe, the large one


def job(folder, out):
    return Job(str(folder), str(out), ("__pycache__", str(out)))
