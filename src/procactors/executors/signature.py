"""What a step's signature says: how it is called, and which type its data has."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from procactors.errors import InvalidDefinitionError

if TYPE_CHECKING:
    from procactors.model.step import Step

_log = logging.getLogger("procactors.executors")

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_CONTEXT_NAMES = frozenset({"ctx", "context"})

Decode = Callable[[bytes], Any]


class Shape(msgspec.Struct, frozen=True):
    """What the signature of a function says about how to call it."""

    takes_context: bool
    is_async: bool
    decode: Decode
    wants: str


def is_factory(call: Callable[..., Any], step: Step, keywords: Mapping[str, Any]) -> bool:
    """Tell whether a plain function makes the object to execute: its arguments leave no room for data."""
    if inspect.iscoroutinefunction(call):
        return False
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in _parameters(call)):
        return False
    return len(_free(call, frozenset(keywords))) <= len(step.args)


def shape_of(
    call: Callable[..., Any], step: Step, args: int, keywords: frozenset[str], skip: int = 0
) -> Shape:
    """Return how to call `call` as the code of `step`.

    Args:
        call: A function, or a method that gets the data.
        step: The step; errors name it.
        args: How many positional arguments follow the data and the context.
        keywords: Names of the parameters that kwargs and services fill.
        skip: How many parameters come before the data: 1 for a method that is looked up on its class.

    Raises:
        InvalidDefinitionError: It can't be called with data, or the type of its data can't be read from JSON.
    """
    free = _free(call, keywords)[skip:]
    required = [p for p in free if p.default is inspect.Parameter.empty]
    takes_context = len(free) - args > 1 and (free[1] in required or free[1].name in _CONTEXT_NAMES)
    room = len(free) >= 1 or any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in _parameters(call))
    if not room or len(required) > 1 + takes_context + args:
        raise InvalidDefinitionError(
            f"step {step.name!r}: {getattr(call, '__qualname__', call)} has to take (data) or (data, ctx)"
            f" besides what args, kwargs and services fill, not {[p.name for p in free]}",
            step=step.name,
        )
    _check_keywords(call, step, keywords)
    kind = _annotation(call, free[0]) if free else Any
    decode, wants = _decoder(kind, step.name)
    return Shape(takes_context, inspect.iscoroutinefunction(call), decode, wants)


def _check_keywords(call: Callable[..., Any], step: Step, keywords: frozenset[str]) -> None:
    for parameter in _parameters(call):
        is_open = parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.name not in keywords
        if (
            is_open
            and parameter.default is inspect.Parameter.empty
            and parameter.name not in step.optional_services
        ):
            raise InvalidDefinitionError(
                f"step {step.name!r}: nothing fills the keyword {parameter.name!r} of"
                f" {getattr(call, '__qualname__', call)}: name it in kwargs= or services="
                " (data and ctx come by position)",
                step=step.name,
            )


def _free(call: Callable[..., Any], keywords: frozenset[str]) -> list[inspect.Parameter]:
    """Return the positional parameters that no keyword fills."""
    return [p for p in _parameters(call) if p.kind in _POSITIONAL and p.name not in keywords]


def _parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(call).parameters.values())
    except (ValueError, TypeError):  # some built-in functions have none: they get the data alone
        return [inspect.Parameter("data", inspect.Parameter.POSITIONAL_ONLY)]


def _annotation(call: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    kind = parameter.annotation
    if kind is inspect.Parameter.empty:
        return Any
    if isinstance(kind, str):
        function = inspect.unwrap(getattr(call, "__func__", call))
        try:
            return eval(kind, getattr(function, "__globals__", {}))  # noqa: S307 - the program's own text
        except Exception as error:  # noqa: BLE001 - whatever an annotation may raise
            _log.warning("the data of %s is not checked: its type %r can't be found (%s)", call, kind, error)
            return Any
    return kind


def _decoder(kind: Any, step: str) -> tuple[Decode, str]:
    if kind is None or kind is Any or kind is object:
        return _plain_decode, "JSON"
    name = getattr(kind, "__qualname__", str(kind))
    if hasattr(kind, "model_validate_json"):  # pydantic's models
        return kind.model_validate_json, name
    return _typed_decode(kind, step), name


_plain_decode = msgspec.json.Decoder().decode


@lru_cache(maxsize=1024)
def _typed_decode(kind: Any, step: str) -> Decode:
    try:
        decoder = msgspec.json.Decoder(kind)
        custom = isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.CustomType)
    except (TypeError, NameError) as error:
        raise InvalidDefinitionError(
            f"step {step!r}: its first parameter's type {kind!r} can't be read from JSON: {error}", step=step
        ) from error
    if custom:
        raise InvalidDefinitionError(
            f"step {step!r}: its first parameter's type {kind!r} can't be read from JSON; use a"
            " msgspec.Struct, dataclass, TypedDict or attrs class",
            step=step,
        )
    decode: Decode = decoder.decode
    return decode
