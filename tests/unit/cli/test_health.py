"""`procactors health`: what may be asked, and where."""

from __future__ import annotations

import socket

import pytest
from typer.testing import CliRunner

from procactors.cli.app import app


def call(*words):
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize("target", ["", "nonsense", "ftp://host", "http://", "http://host:port", "99999999"])
def test_what_is_neither_a_port_nor_a_url_is_wrong_usage(target):
    done = call("health", target)
    assert done.exit_code == 2
    assert "neither a port nor a URL" in done.stderr


def test_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        silent = call("health", port, "--timeout", "0.1")
    assert (silent.exit_code, silent.stderr.count("\n")) == (1, 1)
    assert call("health", port).exit_code == 1
