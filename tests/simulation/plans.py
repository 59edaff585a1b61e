"""Random definitions of all the kinds there are. What a step does is in its plan, as data."""

from __future__ import annotations

from msgspec.structs import replace

from procactors import Each, Parallel, Process, Retry, Sleep, Step
from tests.simulation.elsewhere import placed
from tests.simulation.steps import act, undo

MOST_STEPS = 4
DEEPEST = 2
SERVICES = ("witness",)
RARE = ("witness", "rare")
"""Not all managers have that."""
GROUPS = (None, "red", "blue")


class Plans:
    """Draws definitions."""

    def __init__(self, rng, children):
        self._rng = rng
        self._children = children
        self._count = 0
        self.limited = [
            self._process(f"limited{number}", depth=1, limits=limits)
            for number, limits in enumerate(({"max_running": 1}, {"max_per_group": 1}, {"rate": (2, 10)}))
        ]

    def draw(self):
        """Return the definition of a process that a user starts."""
        if self._rng.random() < 0.25:
            return self._rng.choice(self.limited)
        return self._process(self._name(), depth=0)

    def _name(self):
        self._count += 1
        return f"p{self._count}"

    def _process(self, name, depth, limits=None):
        steps = {f"s{number}": self._step(f"s{number}", depth) for number in range(self._most(MOST_STEPS))}
        timeout = self._rng.choice((None, None, None, 5, 20, 60))
        keep = self._rng.choice((None, None, None, None, 0, 20, 300))
        return Process(name, steps, timeout=timeout, keep=keep, **(limits or {}))

    def _most(self, most):
        return self._rng.randint(1, most)

    def _step(self, name, depth):
        kinds = {"plain": 10, "asks": 2, "sleep": 1, "runs": 0, "nested": 0, "parallel": 0, "each": 0}
        if depth < DEEPEST:
            kinds |= {"runs": 2, "nested": 1, "parallel": 1, "each": 1}
        (kind,) = self._rng.choices(list(kinds), kinds.values())
        return getattr(self, f"_{kind}")(name, depth)

    # Steps that call code.

    def _plain(self, name, depth):
        rng = self._rng
        does = self._work()
        more = {}
        if rng.random() < 0.15:
            does["fails"] = rng.randint(1, 4)
            does["with"] = rng.choice(("error", "error", "fatal", "later", "junk"))
        if rng.random() < 0.1:
            does["clings"] = rng.choice((0.5, 2, 6))
        if rng.random() < 0.15:
            does["writes"] = rng.choice((1, 1, 2))
        if rng.random() < 0.15:
            does["defers"] = [self._update() for _ in range(self._most(2))]
        if rng.random() < 0.25:
            does["beats"] = True
            more["heartbeat"] = rng.choice((0.5, 3))
        if rng.random() < 0.1:
            more["at_most_once"] = True
        else:
            more["retry"] = self._retry()
        if rng.random() < 0.1:
            more["interrupts"] = True
        step = Step(name, act, kwargs={"does": does}, services=SERVICES, **more, **self._frame())
        if rng.random() < 0.07:
            return replace(step, services=RARE)
        return placed(rng, self._children, step)

    def _work(self):
        return {"seconds": self._rng.choice((0, 0, 0, 0.1, 1, 3, 10))}

    def _frame(self):
        """What any step may have around it."""
        rng = self._rng
        frame = {}
        if rng.random() < 0.15:
            frame["timeout"] = rng.choice((0.5, 2, 8))
        if rng.random() < 0.25:
            does = {**self._work(), **({"fails": self._most(4)} if rng.random() < 0.3 else {})}
            timeout = rng.choice((None, None, None, 2))
            step = Step(
                f"{rng.random()}", undo, kwargs={"does": does}, services=SERVICES, retry=self._retry(),
                timeout=timeout,
            )  # fmt: skip
            frame["undo"] = placed(rng, self._children, step)
        return frame

    def _retry(self):
        rng = self._rng
        if rng.random() < 0.5:
            return None
        return Retry(attempts=self._most(5), delay=rng.choice((0, 0.1, 2, 10)), jitter=rng.random() < 0.5)

    def _update(self):
        rng = self._rng
        return {
            "stage": rng.choice(("PRESEND", "POSTSEND", "POSTSEND")),
            "durable": rng.random() < 0.4,
            "seconds": rng.choice((0, 0, 1, 5)),
            "fails": rng.random() < 0.2,
        }

    def _asks(self, name, depth):
        rng = self._rng
        asks = rng.choice(({}, {}, {"timeout": 5}, {"timeout": 5, "on_timeout": {"answer": "none"}}))
        does = {**self._work(), "asks": asks}
        return placed(
            rng, self._children, Step(name, act, kwargs={"does": does}, services=SERVICES, **self._frame())
        )

    def _runs(self, name, depth):
        rng = self._rng
        count = self._most(3)
        runs = [self._child(depth).to_spec() for _ in range(count)]
        does = {**self._work(), "runs": runs, "gathers": rng.random() < 0.5}
        if rng.random() < 0.3:
            does["limit"] = 1
        if rng.random() < 0.15:
            does["patience"] = rng.choice((0.5, 3))
        if rng.random() < 0.3:
            does["forgives"] = True
        return Step(name, act, kwargs={"does": does}, services=SERVICES, retry=self._retry(), **self._frame())

    def _child(self, depth):
        return self._process(self._name(), depth + 1)

    # Steps that call none.

    def _sleep(self, name, depth):
        return Step(name, Sleep(self._rng.choice((0, 0.5, 5, 30))))

    def _nested(self, name, depth):
        return Step(name, self._child(depth), retry=self._retry(), **self._frame())

    def _parallel(self, name, depth):
        branches = {f"b{number}": self._branch(f"b{number}", depth) for number in range(self._most(3))}
        return Step(name, Parallel(branches), retry=self._retry(), **self._frame())

    def _each(self, name, depth):
        each = Each(self._branch("item", depth), over="items", limit=self._rng.choice((None, 1, 2)))
        return Step(name, each, retry=self._retry(), **self._frame())

    def _branch(self, name, depth):
        if self._rng.random() < 0.5:
            return Step(name, self._child(depth))
        while True:
            branch = self._plain(name, depth)
            if branch.undo is None:
                return branch
