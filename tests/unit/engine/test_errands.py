"""The supervisor's errands: one of a kind at a time, and which follow which."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from procactors.actors import Failed, Normal
from procactors.engine.admission import Admission
from procactors.engine.errands import Errands
from procactors.engine.messages import Errand
from procactors.engine.sweeps import Adoption, Claim


class Host:
    """Notes what is wanted of it, in place of a supervisor."""

    def __init__(self):
        self.is_draining = False
        self.running = 0
        self.sent = []
        self.timers = {}

    def spawn(self, function, *args, name):
        self.sent.append(name)

    def set_timer(self, key, delay, message):
        self.timers[key] = message

    def let_return(self):
        """Nobody waits."""

    def take(self, swept):
        raise AssertionError(swept)

    def deliver(self, commands):
        raise AssertionError(commands)


@pytest.fixture
def host():
    return Host()


@pytest.fixture
def errands(host):
    options = SimpleNamespace(lease_s=5, blocked_after_s=60)
    catalog = SimpleNamespace(refused={}, forget_refused=lambda: None)
    sweeps = SimpleNamespace(adopt=None, settle=None, strand=None)
    return Errands(SimpleNamespace(options=options, catalog=catalog), sweeps, Admission(4), host)


def test_an_errand_that_is_wanted_while_it_is_under_way_is_sent_once_more(errands, host):
    for _ in range(3):
        errands.send("bereave")
    assert host.sent == ["bereave"]
    errands.ended("bereave", Normal(value=False))
    assert host.sent == ["bereave", "bereave"]
    errands.ended("bereave", Normal(value=False))
    assert host.sent == ["bereave", "bereave"]


def test_an_errand_that_failed_is_sent_again_later(errands, host):
    errands.send("settle")
    errands.ended("settle", Failed(OSError("away")))
    assert host.sent == ["settle"]
    assert host.timers == {"retry-settle": Errand("settle")}


def test_while_everything_is_released_only_news_are_looked_for(errands, host):
    host.is_draining = True
    for name in ("claim", "adopt", "news"):
        errands.send(name)
    assert host.sent == ["news"]


def test_a_claim_is_repeated_until_nothing_waits(errands, host):
    errands.look()
    assert errands.is_claiming
    errands.ended("claim", Normal(value=Claim(4, [], may_have_more=True)))
    errands.ended("claim", Normal(value=Claim(4, [], may_have_more=False)))
    assert host.sent == ["claim", "claim", "moments"]
    assert not errands.is_claiming


def test_without_a_free_slot_nothing_is_claimed(errands, host):
    host.running = 4
    errands.look()
    assert host.sent == ["moments"]


def test_one_that_is_alone_looks_for_dead_managers_no_more(errands, host):
    errands.adopted(Adoption(has_company=False, may_have_freed=False))
    assert (host.sent, host.timers) == ([], {})
    errands.adopted(Adoption(has_company=True, may_have_freed=True))
    assert host.sent == ["bereave", "claim"]
    assert host.timers == {"adopt": Errand("adopt")}
