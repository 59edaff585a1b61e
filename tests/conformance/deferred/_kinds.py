"""The kinds of update that scenarios name, as classes of procactors."""

from __future__ import annotations

from procactors.deferred import (
    AtomicSectionUpdate,
    AutoCommitUpdate,
    CallableUpdate,
    DataUpdate,
    EnqueueableUpdate,
    MergeableUpdate,
    RoundRequirement,
    TransactionRoundDefiningUpdate,
)


class Body:
    """What a scenario says of one update: its id, its ops, its failures."""

    def __init__(self, scenario, spec):
        self.scenario = scenario
        self.spec = spec
        self.id = spec["id"]

    async def __call__(self, _database=None):
        await self.scenario.run_body(self.id, [self], f"oracle:{self.id}")


def round_of(spec):
    return RoundRequirement(spec.get("round", "present"))


class _Own:
    """An update of the scenario's own classes."""

    def __init__(self, body):
        self.body = body

    @property
    def id(self):
        return self.body.id

    async def run(self):
        await self.body.scenario.run_body(self.id, [self.body], type(self).__name__)

    def as_process(self):
        return self.body.scenario.process_of(self.id, self.body)


class Generic(_Own):
    pass


class Data(_Own, DataUpdate):
    pass


class Enqueueable(_Own, DataUpdate, EnqueueableUpdate):
    pass


class GenericJob(_Own, EnqueueableUpdate):
    pass


class Aware(_Own):
    def __init__(self, body):
        super().__init__(body)
        self.round_requirement = round_of(body.spec)


class EnqueueableAware(_Own, DataUpdate, EnqueueableUpdate):
    def __init__(self, body):
        super().__init__(body)
        self.round_requirement = round_of(body.spec)


class Mergeable(MergeableUpdate):
    def __init__(self, body):
        self.bodies = [body]
        self.scenario = body.scenario

    @property
    def id(self):
        return "+".join(body.id for body in self.bodies)

    async def run(self):
        await self.scenario.run_body(self.id, self.bodies, type(self).__name__, is_mergeable=True)

    def merge(self, other):
        self.scenario.note("merge", into=self.id, id=other.id)
        if other.bodies[0].spec.get("fail_merge"):
            raise self.scenario.failure("merge", other.id)
        self.bodies += list(other.bodies)


class A(Mergeable):
    pass


class B(Mergeable):
    pass


class C(Mergeable):
    pass


class D(Mergeable, DataUpdate):
    pass


class E(A):
    pass


class Q(Mergeable, DataUpdate, EnqueueableUpdate):
    def as_process(self):
        return self.scenario.process_of(self.id, self.bodies[0])


class Callable(CallableUpdate):
    def __init__(self, body, handles):
        super().__init__(body, origin=f"oracle:{body.id}", cancel_on_rollback=handles)
        self.round_requirement = round_of(body.spec)


OWN = {
    "generic": Generic,
    "data": Data,
    "enqueueable": Enqueueable,
    "generic_job": GenericJob,
    "aware": Aware,
    "enqueueable_aware": EnqueueableAware,
}
MERGEABLE = {"A": A, "B": B, "C": C, "D": D, "E": E, "Q": Q}


def make(body, handle_of):
    """Return the update that `body` describes; `handle_of(name)` returns a database handle."""
    kind = body.spec["kind"]
    if kind in OWN:
        return OWN[kind](body)
    if kind == "mergeable":
        return MERGEABLE[body.spec["class"]](body)
    if kind == "round_defining":
        return TransactionRoundDefiningUpdate(body, origin=f"oracle:{body.id}")
    if kind == "callable":
        return Callable(body, [handle_of(name) for name in body.spec.get("dbs", ())])
    first, *others = (handle_of(name) for name in body.spec.get("dbs", ["main"]))
    cls = {"auto_commit": AutoCommitUpdate, "atomic_section": AtomicSectionUpdate}[kind]
    return cls(first, body, origin=f"oracle:{body.id}", cancel_on_rollback=others)


def id_of(update):
    """Return the id by which traces name an update."""
    body = getattr(update, "function", update)
    return body.id
