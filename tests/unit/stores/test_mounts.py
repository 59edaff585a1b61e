from pathlib import Path

import pytest

from procactors.errors import InvalidStoreError
from procactors.stores import _mounts
from procactors.stores._mounts import kind_of, refuse_network

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:50 / /srv/shared rw - nfs4 files:/export rw
31 30 0:51 / /srv/shared/local rw - xfs /dev/sdb1 rw
32 22 0:52 / /mnt/two\\040words rw - cifs //files/two rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/app/store.db", "ext4"),
        ("/srv/shared/store.db", "nfs4"),
        ("/srv/sharedness/store.db", "ext4"),
        ("/srv/shared/local/store.db", "xfs"),
        ("/mnt/two words/store.db", "cifs"),
    ],
)
def test_the_innermost_mount_counts(path, kind):
    assert kind_of(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused_and_a_local_one_not(tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    monkeypatch.setattr(_mounts, "_MOUNTS", mounts)
    refuse_network(Path("/srv/shared/store.db"), "sqlite:////srv/shared/store.db")
    mounts.write_text(MOUNTS)
    refuse_network(Path("/app/store.db"), "sqlite:////app/store.db")
    with pytest.raises(InvalidStoreError, match=r"network file system \(nfs4\)"):
        refuse_network(Path("/srv/shared/store.db"), "sqlite:////srv/shared/store.db")
