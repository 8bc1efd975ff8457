"""What a broker's answer proves about a command, and the table of answers that each adapter shows in its README."""

from enum import Enum, auto
from re import Pattern
from typing import Final


class Verdict(Enum):
    """What an answer proves about the command it answers."""

    REFUSED = auto()
    NOT_TAKEN = auto()
    UNKNOWN = auto()


OUTCOMES: Final = {Verdict.REFUSED: "Rejected", Verdict.NOT_TAKEN: "NotSent", Verdict.UNKNOWN: "Unknown"}
"""What the port makes of each verdict."""

_END: Final = "<!-- end of table -->\n"


def words_of(pattern: Pattern[str]) -> str:
    """Write the words that a rule looks for as a cell of a table."""
    return f"`{pattern.pattern}`".replace("|", "\\|") if pattern.pattern else "any"


def with_table(before: str, module: str, table: str) -> str:
    """Give a page with the table that a module writes into it; raises ValueError where the marks are missing."""
    begin = f"<!-- table: written by `python -m {module}` -->\n"
    head, _, tail = before.partition(begin)
    _, mark, foot = tail.partition(_END)
    if not mark:
        raise ValueError("the README has lost the marks around its table")
    return f"{head}{begin}{table}{_END}{foot}"
