"""The kind of file system that a database is on, where that is known: SQLite can't share one over a network.

WAL keeps its index in memory that all OS processes on a file share, which two machines don't have; and locks
over a network are kept loosely. Such a store would work for a while, and then be corrupt.
"""

from __future__ import annotations

import re
from pathlib import Path

from procactors.errors import InvalidStoreError

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "ncpfs", "gfs2", "ocfs2", "fuse.sshfs"}
    | {"fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse"}
)
_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


def refuse_network(path: Path, url: str) -> None:
    """Refuse a file on a network file system.

    Raises:
        InvalidStoreError: It lies on one.
    """
    try:
        mounts = _MOUNTS.read_text("utf-8", "replace")
    except OSError:
        return  # not Linux: it can't be told
    kind = kind_of(path.resolve(), mounts)
    if kind in _NETWORK:
        raise InvalidStoreError(
            f"{url} lies on a network file system ({kind}), where SQLite can't be shared safely: use a local"
            " disk, or PostgreSQL for more than one machine"
        )


def kind_of(path: Path, mounts: str) -> str:
    """Return the kind of file system that holds `path`, by the text of mountinfo; "" if none does."""
    found, kind = Path(), ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), before.split()[4]))
        if path.is_relative_to(point) and len(point.parts) >= len(found.parts):
            found, kind = point, after.split()[0]
    return kind
