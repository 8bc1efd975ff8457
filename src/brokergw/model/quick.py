"""Frozen values that cost no more to make than plain ones.

A frozen dataclass guards every assignment, its own constructor's too, and so pays for each field with a call: a third
of what an order's values cost. `quick` gives the class a constructor that fills the new object while it is of an
unguarded twin class with the same slots, and makes it the frozen class again before anybody sees it.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")

_DEFAULT: Final = "default_"


def quick(cls: type[T]) -> type[T]:
    """Give a frozen dataclass with slots the cheaper constructor; defaults, order and keywords stay as they are.

    Not for classes that others inherit from, nor for those with a `__post_init__`.
    """
    parts = _fields(cls)
    names = tuple(part.name for part in parts)
    assert "__slots__" in cls.__dict__, "what is made quick must have slots"
    assert not hasattr(cls, "__post_init__"), "what is made quick must need no afterwork"
    scope: dict[str, Any] = {
        "frozen": cls,
        "plain": _twin(cls, names),
        "turn": object.__setattr__,
        "missing": MISSING,
        **{_DEFAULT + part.name: _default(part) for part in parts},
    }
    lines = [f"def __init__({', '.join(_parameters(parts))}):", " turn(self, '__class__', plain)"]
    for part in parts:
        made = f"{_DEFAULT}{part.name}() if {part.name} is missing else {part.name}"
        lines.append(f" self.{part.name} = {part.name if part.default_factory is MISSING else made}")
    lines.append(" self.__class__ = frozen")
    exec("\n".join(lines), scope)  # noqa: S102 - names of our own fields only, as the dataclass module does it
    constructor = scope["__init__"]
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    constructor.__annotations__ = {**{part.name: part.type for part in parts}, "return": None}
    cls.__init__ = constructor  # type: ignore[method-assign] # the same parameters
    return cls


def _default(part: Field[Any]) -> Any:
    return part.default if part.default_factory is MISSING else part.default_factory


def _parameters(parts: tuple[Field[Any], ...]) -> list[str]:
    """List the constructor's parameters: those by position first, as the dataclass has them."""
    listed = ["self", *(_parameter(part) for part in parts if not part.kw_only)]
    by_name = [_parameter(part) for part in parts if part.kw_only]
    return [*listed, "*", *by_name] if by_name else listed


def _parameter(part: Field[Any]) -> str:
    if part.default_factory is not MISSING:
        return f"{part.name}=missing"
    return part.name if part.default is MISSING else f"{part.name}={_DEFAULT}{part.name}"


def copier_of(cls: type[T]) -> Callable[[T, dict[str, Any]], T]:
    """Make a function that gives a copy of a quick value with other values in some fields, by their names.

    Raises AttributeError for a name that is no field's.
    """
    names = tuple(part.name for part in _fields(cls))
    scope: dict[str, Any] = {"frozen": cls, "plain": _twin(cls, names)}
    lines = ["def copy(value, changes):", " made = plain()"]
    lines += [f" made.{name} = value.{name}" for name in names]
    lines += [
        " for name in changes:",
        "  setattr(made, name, changes[name])",
        " made.__class__ = frozen",
        " return made",
    ]
    exec("\n".join(lines), scope)  # noqa: S102 - names of our own fields only, as the dataclass module does it
    copier: Callable[[T, dict[str, Any]], T] = scope["copy"]
    return copier


def _twin(cls: type[Any], names: tuple[str, ...]) -> type[Any]:
    """Make a class with the same slots, whose values nothing guards."""
    return type(cls.__name__, (), {"__slots__": names})


def _fields(cls: type[Any]) -> tuple[Field[Any], ...]:
    assert is_dataclass(cls), "what is made quick must be a dataclass"
    return fields(cls)
