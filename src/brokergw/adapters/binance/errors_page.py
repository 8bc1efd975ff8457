"""The table of answers as a page: `python -m brokergw.adapters.binance.errors_page` writes it into the README here."""

import sys
from pathlib import Path
from typing import Final

from brokergw.adapters.binance.errors import RULES, Rule
from brokergw.transport.answers import OUTCOMES, Verdict, with_table, words_of

PATH: Final = Path(__file__).with_name("README.md")
MODULE: Final = "brokergw.adapters.binance.errors_page"

_EFFECTS: Final = {Verdict.REFUSED: "NONE", Verdict.NOT_TAKEN: "NONE", Verdict.UNKNOWN: "POSSIBLE"}
_RETRIES: Final = {Verdict.REFUSED: "NEW_KEY", Verdict.NOT_TAKEN: "SAME_KEY", Verdict.UNKNOWN: "SAME_KEY"}


def table() -> str:
    """Write the table, first match first."""
    head = (
        "| product | status | code | words of the message | outcome | reason | order_effect | retry |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    rest = "| any | any other | | | Unknown | | POSSIBLE | SAME_KEY |\n"
    return head + "".join(_line(rule) for rule in RULES) + rest


def page(before: str) -> str:
    """Give the README with the table as it is now; raises ValueError where the marks are missing."""
    return with_table(before, MODULE, table())


def _line(rule: Rule) -> str:
    words = words_of(rule.words)
    cells = (
        rule.product.value.lower() if rule.product is not None else "any",
        str(rule.status or "any"),
        rule.code or "any",
        words,
        OUTCOMES[rule.verdict],
        rule.reason,
        _EFFECTS[rule.verdict],
        _RETRIES[rule.verdict],
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PATH.write_text(page(PATH.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"{PATH}\n")
