"""Programs in docs/examples, served as their pages say."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import httpx

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PATIENCE_S = 60


@contextmanager
def served(target, folder, where=EXAMPLES, **environment):
    """Run a program by the command of its page, until it is killed."""
    command = [sys.executable, "-m", "uvicorn", target, "--port", "0", "--no-access-log"]
    given = {"DATABASE": f"sqlite:///{folder}/example.db", "EDITOR_TOKEN": "s3cret", **environment}
    with subprocess.Popen(
        command, cwd=where, env={**os.environ, **given}, stderr=subprocess.PIPE, text=True
    ) as program:
        try:
            said = ""
            while (running := re.search(r"running on (http\S+)", said)) is None:
                line = program.stderr.readline()
                assert line, said
                said += line
            with httpx.Client(base_url=running[1], timeout=PATIENCE_S) as client:
                yield client
        finally:
            program.kill()


def typed(client, line, folder=None, **names):
    """Send the request that a line of `curl` on a page sends; `names` stand for what people fill in."""
    for name, value in names.items():
        line = line.replace(name, value)
    pairs = [*pairwise(shlex.split(line)[1:])]
    (place,) = re.findall(r"localhost:8000(/\S*)", line)
    headers = dict(value.split(": ", 1) for option, value in pairs if option == "-H")
    bodies = [value for option, value in pairs if option == "-d"]
    files = dict(value.split("=@", 1) for option, value in pairs if option == "-F")
    if files:
        return client.post(
            place, files={name: (file, (folder / file).read_bytes()) for name, file in files.items()}
        )
    if bodies and not headers:
        headers = {"content-type": "application/x-www-form-urlencoded"}
    return client.request(
        "POST" if bodies else "GET", place, content="&".join(bodies) or None, headers=headers
    )


def wait_for(ask, is_there):
    """Return what `ask` answers as soon as it is what is wanted."""
    give_up = time.monotonic() + PATIENCE_S
    while not is_there(answer := ask()):
        assert time.monotonic() < give_up, answer
    return answer
