"""The table of answers as a page: `python -m brokergw.adapters.schwab.errors_page` writes it into the README here."""

import sys
from pathlib import Path
from typing import Final

from brokergw.adapters.schwab.errors import REJECTED_ORDER, RULES, Rule, Verdict

PATH: Final = Path(__file__).with_name("README.md")
BEGIN: Final = "<!-- table: written by `python -m brokergw.adapters.schwab.errors_page` -->\n"
END: Final = "<!-- end of table -->\n"

_OUTCOMES: Final = {Verdict.REFUSED: "Rejected", Verdict.NOT_TAKEN: "NotSent", Verdict.UNKNOWN: "Unknown"}


def table() -> str:
    """Write the table, first match first."""
    head = "| status | of | words | outcome | reason |\n|---|---|---|---|---|\n"
    rest = "| any other, or another form | | | Unknown | |\n"
    return head + "".join(_line(rule) for rule in RULES) + rest


def page(before: str) -> str:
    """Give the README with the table as it is now; raises ValueError where the marks are missing."""
    head, _, tail = before.partition(BEGIN)
    _, mark, foot = tail.partition(END)
    if not mark:
        raise ValueError("the README has lost the marks around its table")
    return f"{head}{BEGIN}{table()}{END}{foot}"


def _line(rule: Rule) -> str:
    words = f"`{rule.words.pattern}`".replace("|", "\\|") if rule.words.pattern else "any"
    status = "order rejected" if rule.status == REJECTED_ORDER else str(rule.status)
    methods = ", ".join(sorted(rule.methods)) or "any"
    return f"| {status} | {methods} | {words} | {_OUTCOMES[rule.verdict]} | {rule.reason} |\n"


if __name__ == "__main__":
    PATH.write_text(page(PATH.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"{PATH}\n")
