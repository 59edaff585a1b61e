import sqlite3

import pytest

from procactors.stores._changes import Changes
from procactors.stores._migrate import migrate_sqlite


class World:
    """A file with one member, seen by the writer of that member."""

    def __init__(self, path):
        self.path = path
        self.writer, self.other = self.connected(), self.connected()
        migrate_sqlite(self.writer, 0.0, str(path))
        self.renewals = 0
        self.register(self.writer)
        self.changes = Changes(self.writer)

    def connected(self):
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        return connection

    def register(self, connection):
        connection.execute(
            "INSERT INTO procactors_managers (name, kind, host, boot_id, pid_namespace, os_pid, os_started,"
            " registered_at, lease_until) VALUES ('m', 'manager', 'h', '', '', 1, '', 0, 0)"
        )

    def renew(self):
        self.renewals += 1
        self.other.execute("UPDATE procactors_managers SET lease_until = lease_until + 1")

    def have_come(self):
        return self.changes.have_come(self.writer, self.renewals)

    def close(self):
        self.writer.close()
        self.other.close()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "store.db")
    yield world
    world.close()


def test_nothing_has_come_while_nobody_does_anything(world):
    assert not world.have_come()
    world.register(world.writer)  # its own commits don't count
    assert not world.have_come()


def test_renewing_the_own_lease_is_no_news(world):
    world.renew()
    assert not world.have_come()
    assert not world.changes.has_company


def test_what_another_connection_does_is_news_once(world):
    world.other.execute("CREATE TABLE theirs (id)")
    assert world.have_come()
    assert not world.have_come()


def test_what_is_done_beside_a_renewal_is_news(world):
    world.renew()
    world.other.execute("INSERT INTO procactors_processes (pid, name, status, epoch, created_at, state)"
                        " VALUES ('p', 'n', 'queued', 0, 0, '{}')")  # fmt: skip
    assert world.have_come()


def test_with_other_members_a_renewal_is_news_as_it_may_be_theirs(world):
    world.register(world.other)
    assert world.have_come()
    assert world.changes.has_company
    world.renew()
    assert world.have_come()


def test_it_is_alone_again_when_the_others_have_gone(world):
    world.register(world.other)
    world.have_come()
    world.other.execute("DELETE FROM procactors_managers WHERE id = 2")
    assert world.have_come()
    assert not world.changes.has_company
