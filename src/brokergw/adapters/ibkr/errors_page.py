"""The table of answers as a page: `python -m brokergw.adapters.ibkr.errors_page` writes it into the README here."""

from pathlib import Path
from typing import Final

from brokergw.adapters.ibkr.errors import RULES, Rule, Verdict

PATH: Final = Path(__file__).with_name("README.md")
BEGIN: Final = "<!-- table: written by `python -m brokergw.adapters.ibkr.errors_page` -->\n"
END: Final = "<!-- end of table -->\n"

_OUTCOMES: Final = {Verdict.REFUSED: "Rejected", Verdict.NOT_TAKEN: "NotSent", Verdict.UNKNOWN: "Unknown"}


def table() -> str:
    """Write the table, first match first."""
    head = "| status | words of the error | outcome | reason |\n|---|---|---|---|\n"
    return head + "".join(_line(rule) for rule in RULES) + "| any other | | Unknown | |\n"


def page(before: str) -> str:
    """Give the README with the table as it is now; raises ValueError where the marks are missing."""
    head, _, tail = before.partition(BEGIN)
    _, mark, foot = tail.partition(END)
    if not mark:
        raise ValueError("the README has lost the marks around its table")
    return f"{head}{BEGIN}{table()}{END}{foot}"


def _line(rule: Rule) -> str:
    words = f"`{rule.words.pattern}`".replace("|", "\\|") if rule.words.pattern else "any"
    statuses = ", ".join(str(status) for status in rule.statuses)
    return f"| {statuses} | {words} | {_OUTCOMES[rule.verdict]} | {rule.reason} |\n"


if __name__ == "__main__":
    PATH.write_text(page(PATH.read_text("utf-8")), "utf-8")
