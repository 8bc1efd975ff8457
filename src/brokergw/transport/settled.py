"""Rows of lists that are read again and again: what has been dealt with, and stands as it stood then, is passed over.

A broker that tells by lists tells of everything that ended today each time, so what a reading costs would grow with
the day. Comparing a row costs a hundredth of reading it.
"""

from collections.abc import Collection
from typing import Generic, TypeVar

_Mark = TypeVar("_Mark")


class Settled(Generic[_Mark]):
    """By name, everything that was known of a row when it was dealt with; a mark must not be changed afterwards."""

    def __init__(self) -> None:
        self._marks: dict[str, _Mark] = {}

    def __len__(self) -> int:
        """Count what is remembered."""
        return len(self._marks)

    def stands(self, name: str, mark: _Mark) -> bool:
        """Tell whether a row has been dealt with as it stands."""
        return name in self._marks and self._marks[name] == mark

    def settle(self, name: str, mark: _Mark) -> None:
        """Note a row as dealt with as it stands."""
        self._marks[name] = mark

    def reopen(self, name: str) -> None:
        """Have a row looked at again, however it stands."""
        self._marks.pop(name, None)

    def keep(self, names: Collection[str]) -> None:
        """Forget what is not listed any more."""
        for name in self._marks.keys() - names:
            del self._marks[name]
