"""Which steps run elsewhere than on the loop: drawn for a step that is made for the loop."""

from __future__ import annotations

from msgspec.structs import replace

from tests.simulation import in_child, in_thread, steps

IN_THREADS = 0.2
THREAD_ENDS = ("exit", "stop")
"""How only steps in threads fail: on the loop it would be the end of the program."""
CHILD_ENDS = ("error", "fatal", "later", "junk", "exit", "_exit", "SIGKILL", "SIGTERM", "SIGUSR1")
LOOP_ONLY = ("writes", "defers")


def placed(rng, children, step):
    """Return a step or undo step as it is, or as one that runs elsewhere, so often in a child."""
    if rng.random() < children:
        return _in_child(rng, step)
    if rng.random() < IN_THREADS:
        return _in_thread(rng, step)
    return step


def _in_thread(rng, step):
    does = dict(step.kwargs["does"])
    if does.get("beats") and rng.random() < 0.5:
        does["beats"] = "silently"
    if "fails" in does and rng.random() < 0.3:
        does["with"] = rng.choice(THREAD_ENDS)
    executor, call = rng.choice(
        (
            ("loop", in_thread.act),
            ("thread", in_thread.act),
            ("thread", in_thread.act_there),
            ("loop", in_thread.Act),
            ("loop", in_thread.make_act),
        )
    )
    if step.call is steps.undo:
        executor, call = "loop", in_thread.undo
    return replace(step, call=call, kwargs={"does": does}, executor=executor)


def _in_child(rng, step):
    does = {what: how for what, how in step.kwargs["does"].items() if what not in LOOP_ONLY}
    if does.get("beats") and rng.random() < 0.5:
        does["beats"] = "silently"
    does["seconds"] = min(does["seconds"], 3)
    if "fails" not in does and rng.random() < 0.3:
        does["fails"] = rng.randint(1, 2)
    if "fails" in does:
        does["with"] = rng.choice(CHILD_ENDS)
    more = {}
    if rng.random() < 0.25:
        does["seconds"] = 1000
        more["timeout"] = rng.choice((0.5, 2))
        match rng.choice(("heeds", "clings", "is deaf")):
            case "clings":
                does["clings"] = rng.choice((1, 4, 10))
            case "is deaf":
                does["is_deaf"] = True
    if step.call is steps.undo and does.get("with") == "junk":
        does["with"] = "error"
    call = in_child.undo if step.call is steps.undo else in_child.act
    return replace(step, call=call, kwargs={"does": does}, executor="process", services=(), **more)
