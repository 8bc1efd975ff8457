"""For whom something is read or written: the users whose rows a transaction may touch, and no others.

Every read and write of the record says so. Work that is everybody's by its nature asks for that by name, with its
reason; docs/separation.md lists all of these places, and a test holds the list against the source.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Whose:
    """The users whose rows may be touched; `everybody` lifts the border. Make it by one of the functions below."""

    users: frozenset[str]
    everybody: bool = False

    @property
    def one(self) -> str:
        """The only user there is; raises ValueError where there is not exactly one."""
        (user_id,) = self.users
        return user_id

    def __contains__(self, user_id: str) -> bool:
        return self.everybody or user_id in self.users

    def __or__(self, other: "Whose") -> "Whose":
        return Whose(self.users | other.users, self.everybody or other.everybody)


NOBODYS: Final = Whose(frozenset())
"""For rows that belong to no user at all."""


def only(user_id: str) -> Whose:
    """Touch one user's rows."""
    return Whose(frozenset((user_id,)))


def these(user_ids: Iterable[str]) -> Whose:
    """Touch some users' rows."""
    return Whose(frozenset(user_ids))


def everyone(why: str) -> Whose:
    """Touch everybody's rows; `why` says what makes this work everybody's."""
    assert why, "what is everybody's has a reason"
    return Whose(frozenset(), everybody=True)
