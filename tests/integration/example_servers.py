"""Programs in docs/examples, served as their pages say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PATIENCE_S = 30


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
