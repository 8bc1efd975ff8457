"""Writes what each broker's answers prove into the README of its adapter: `python -m brokergw.app.answers_page`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from brokergw import adapters
from brokergw.adapters.alpaca.errors import RULES as ALPACA
from brokergw.adapters.binance.errors import RULES as BINANCE
from brokergw.adapters.ctrader.errors import RULES as CTRADER
from brokergw.adapters.ibkr.errors import RULES as IBKR
from brokergw.adapters.schwab.errors import RULES as SCHWAB
from brokergw.transport.answers import Rule, Verdict

TABLES: Final[Mapping[str, Sequence[Rule]]] = {
    "alpaca": ALPACA,
    "binance": BINANCE,
    "ctrader": CTRADER,
    "ibkr": IBKR,
    "schwab": SCHWAB,
}
"""The tables by the folders of their adapters."""

_BEGIN: Final = "<!-- table: written by `python -m brokergw.app.answers_page` -->\n"
_END: Final = "<!-- end of table -->\n"
_HEAD: Final = (
    "| of | status | code | words | outcome | reason | order_effect | retry |\n|---|---|---|---|---|---|---|---|\n"
)
_ENDINGS: Final = {
    Verdict.REFUSED: ("Rejected", "NONE", "NEW_KEY"),
    Verdict.NOT_TAKEN: ("NotSent", "NONE", "SAME_KEY"),
    Verdict.UNKNOWN: ("Unknown", "POSSIBLE", "SAME_KEY"),
}


def readme_of(folder: str) -> Path:
    """Name the page that shows an adapter's table."""
    return Path(adapters.__path__[0]) / folder / "README.md"


def page(before: str, rules: Sequence[Rule]) -> str:
    """Give a page with the table as it is now, first match first; raises ValueError where the marks are missing."""
    head, _, tail = before.partition(_BEGIN)
    _, mark, foot = tail.partition(_END)
    if not mark:
        raise ValueError("the README has lost the marks around its table")
    rows = "".join(map(_row, rules))
    return f"{head}{_BEGIN}{_HEAD}{rows}{_line('any other', '', '', '', Verdict.UNKNOWN, '')}{_END}{foot}"


def _row(rule: Rule) -> str:
    words = f"`{rule.words.pattern}`".replace("|", "\\|") if rule.words.pattern else "any"
    statuses = ", ".join(map(str, rule.statuses)) or "any"
    return _line(", ".join(rule.requests) or "any", statuses, rule.code or "any", words, rule.verdict, rule.reason)


def _line(request: str, status: str, code: str, words: str, verdict: Verdict, reason: str) -> str:
    outcome, effect, retry = _ENDINGS[verdict]
    return f"| {request} | {status} | {code} | {words} | {outcome} | {reason} | {effect} | {retry} |\n"


if __name__ == "__main__":
    for folder, rules in TABLES.items():
        path = readme_of(folder)
        path.write_text(page(path.read_text("utf-8"), rules), "utf-8")
        sys.stdout.write(f"{path}\n")
