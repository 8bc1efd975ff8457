"""The table of answers as a page: `python -m brokergw.adapters.ibkr.errors_page` writes it into the README here."""

from pathlib import Path
from typing import Final

from brokergw.adapters.ibkr.errors import RULES, Rule
from brokergw.transport.answers import OUTCOMES, with_table, words_of

PATH: Final = Path(__file__).with_name("README.md")
MODULE: Final = "brokergw.adapters.ibkr.errors_page"


def table() -> str:
    """Write the table, first match first."""
    head = "| status | words of the error | outcome | reason |\n|---|---|---|---|\n"
    return head + "".join(_line(rule) for rule in RULES) + "| any other | | Unknown | |\n"


def page(before: str) -> str:
    """Give the README with the table as it is now; raises ValueError where the marks are missing."""
    return with_table(before, MODULE, table())


def _line(rule: Rule) -> str:
    words = words_of(rule.words)
    statuses = ", ".join(str(status) for status in rule.statuses)
    return f"| {statuses} | {words} | {OUTCOMES[rule.verdict]} | {rule.reason} |\n"


if __name__ == "__main__":
    PATH.write_text(page(PATH.read_text("utf-8")), "utf-8")
