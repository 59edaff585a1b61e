"""The steps that this manager can run: resolved, their services found, their signatures read. Once each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from procactors.engine.updates import RESOLVE
from procactors.errors import InvalidDefinitionError, ProcactorsError, StepNotResolvableError
from procactors.executors.call import PreparedStep, prepare
from procactors.model.composite import Composite
from procactors.model.reference import resolve
from procactors.model.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from procactors.model.definition import Process
    from procactors.model.step import Step

_KEPT = 4096


class Catalog:
    """Prepares steps, and remembers them and what could not be prepared."""

    def __init__(self, services: Mapping[str, Any], modules: Sequence[str]) -> None:
        """Offer these services, and resolve references in these modules."""
        if isinstance(modules, str | bytes) or not isinstance(modules, Iterable):
            raise InvalidDefinitionError(f"modules must be a list of names, not {shown(modules)}")
        self.modules = tuple(modules)
        for name in self.modules:
            if not isinstance(name, str):
                raise InvalidDefinitionError(f"modules must be a list of names, and {shown(name)} is none")
        self._services = {**services, RESOLVE: lambda name: resolve(name, self.modules)}
        self._prepared: dict[int, PreparedStep] = {}
        self._checked: dict[int, Process] = {}
        self.refused: dict[str, str] = {}
        """What steps need (`Step.needs`) that can't be run here, and why."""

    def prepared(self, step: Step) -> PreparedStep:
        """Return the step, ready to be called.

        Raises:
            StepNotResolvableError: Its reference is not known here.
            InvalidDefinitionError: A service is missing, or the code can't be called as a step.
        """
        found = self._prepared.get(id(step))
        if found is None or found.step is not step:
            if len(self._prepared) >= _KEPT:
                self._prepared.clear()
            found = self._prepared[id(step)] = self._prepare(step)
        return found

    def _prepare(self, step: Step) -> PreparedStep:
        try:
            return prepare(step, self._services, self.modules)
        except ProcactorsError:
            raise
        except Exception as error:  # whatever a signature or an annotation of somebody's may raise
            raise InvalidDefinitionError(
                f"step {step.name!r} can't be called: {error!r}", step=step.name
            ) from error

    def check(self, plan: Process) -> bool:
        """Prepare all steps of a plan; raises as `prepared` does. True if one of them was refused before."""
        if not self.refused and self._checked.get(id(plan)) is plan:
            return False
        has_learnt = False
        for step in _all_steps(plan):
            if step.is_pause:
                continue
            try:
                self.prepared(step)
                if step.undo is not None:
                    self.prepared(step.undo)
            except StepNotResolvableError as error:
                raise StepNotResolvableError(f"step {step.name!r}: {error}", step=step.name) from error
            has_learnt |= self.refused.pop(step.needs, None) is not None
        if len(self._checked) >= _KEPT:
            self._checked.clear()
        self._checked[id(plan)] = plan
        return has_learnt

    def can_run(self, step: Step) -> bool:
        """Tell whether the step can be prepared here; if not, what it needs is noted in `refused`."""
        try:
            self.prepared(step)
        except (StepNotResolvableError, InvalidDefinitionError) as error:
            self.refused[step.needs] = str(error)
            return False
        self.refused.pop(step.needs, None)
        return True

    def forget_refused(self) -> None:
        """Forget what could not be run, so that it is tried again: it may have been imported meanwhile."""
        self.refused.clear()

    def knows(self, step: Step) -> bool:
        """Tell whether the step is prepared already; never imports anything. For use in any thread."""
        found = self._prepared.get(id(step))
        return found is not None and found.step is step


def _all_steps(composite: Composite) -> Iterator[Step]:
    """Yield the steps of a definition, and of what these are made of."""
    for step in composite.inner_steps():
        yield step
        if isinstance(step.call, Composite):
            yield from _all_steps(step.call)
