"""The table of answers as a page: `python -m brokergw.adapters.alpaca.errors_page` writes it into the README here."""

import sys
from pathlib import Path
from typing import Final

from brokergw.adapters.alpaca.errors import RULES, Rule
from brokergw.transport.answers import OUTCOMES, with_table, words_of

PATH: Final = Path(__file__).with_name("README.md")
MODULE: Final = "brokergw.adapters.alpaca.errors_page"


def table() -> str:
    """Write the table, first match first."""
    head = "| status | code | words of the message | outcome | reason |\n|---|---|---|---|---|\n"
    rest = "| any other | | | Unknown | |\n"
    return head + "".join(_line(rule) for rule in RULES) + rest


def page(before: str) -> str:
    """Give the README with the table as it is now; raises ValueError where the marks are missing."""
    return with_table(before, MODULE, table())


def _line(rule: Rule) -> str:
    words = words_of(rule.words)
    return f"| {rule.status} | {rule.code or 'any'} | {words} | {OUTCOMES[rule.verdict]} | {rule.reason} |\n"


if __name__ == "__main__":
    PATH.write_text(page(PATH.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"{PATH}\n")
