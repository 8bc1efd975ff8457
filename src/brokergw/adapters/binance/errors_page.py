"""The table of answers as a page: `python -m brokergw.adapters.binance.errors_page` writes it into the README here."""

import sys
from pathlib import Path
from typing import Final

from brokergw.adapters.binance.errors import RULES, Rule, Verdict

PATH: Final = Path(__file__).with_name("README.md")
BEGIN: Final = "<!-- table: written by `python -m brokergw.adapters.binance.errors_page` -->\n"
END: Final = "<!-- end of table -->\n"

_OUTCOMES: Final = {Verdict.REFUSED: "Rejected", Verdict.NOT_TAKEN: "NotSent", Verdict.UNKNOWN: "Unknown"}
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
    head, _, tail = before.partition(BEGIN)
    _, mark, foot = tail.partition(END)
    if not mark:
        raise ValueError("the README has lost the marks around its table")
    return f"{head}{BEGIN}{table()}{END}{foot}"


def _line(rule: Rule) -> str:
    words = f"`{rule.words.pattern}`".replace("|", "\\|") if rule.words.pattern else "any"
    cells = (
        rule.product.value.lower() if rule.product is not None else "any",
        str(rule.status or "any"),
        rule.code or "any",
        words,
        _OUTCOMES[rule.verdict],
        rule.reason,
        _EFFECTS[rule.verdict],
        _RETRIES[rule.verdict],
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PATH.write_text(page(PATH.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"{PATH}\n")
