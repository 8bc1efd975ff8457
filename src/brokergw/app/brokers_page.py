"""Writes `docs/brokers.md` from what the adapters claim: `python -m brokergw.app.brokers_page`."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Final

from brokergw.app.catalog import open_catalog
from brokergw.app.clock import SystemClock
from brokergw.app.demos import DEMOS
from brokergw.app.settings import Settings
from brokergw.model.capability import Capabilities, Feature, ResolutionClass
from brokergw.model.terms import OrderClass
from brokergw.ports.broker import AdapterFactory

_HEAD = """# Brokers

What each broker can do through this gateway. `ListBrokers` and `brokergw brokers` tell the same; an adapter claims only
what the exam of all adapters has seen it do. This page is written from the code
(`python -m brokergw.app.brokers_page`), and a test keeps it current. What is special at a broker stands in the
README of its adapter.

`brokergw demo --broker <id>` shows the whole main job on this machine, through a simulator that speaks the broker's own
protocol: {demos}.
"""
_FEES: Final = """## Fees

No adapter has a fee schedule of its own. What a broker charges comes with each execution where it tells it, and is
then in the account's equity too. For executions that name no fee, and for what an order may cost beforehand, the
platform's own figures for the broker count: `fee_bps` of the worth, and `fee_per_contract`. Both are 0 until an
operator sets them (`brokergw limits broker <id> fee_bps=… fee_per_contract=…`), so nothing is guessed: at Interactive
Brokers, whose charges depend on the account's plan, commissions are known after the execution only.
"""
_RESOLUTION: Final = {
    ResolutionClass.BY_CLIENT_ID: "A: by its client order id",
    ResolutionClass.BY_TAG: "B: by a tag, in the broker's lists",
    ResolutionClass.BY_CONTENT: "C: by its content alone",
}
_YES: Final = "yes"


def page() -> str:
    """Give the whole page."""
    catalog = open_catalog(Settings(), SystemClock())
    rows = {name: factory.capabilities for name, factory in sorted(catalog.items())}
    return "\n".join(
        [
            _HEAD.format(demos=", ".join(f"`{name}`" for name in sorted(DEMOS))),
            *_section("At a glance", ("broker", "id", "where", "log in with", "an order of unknown outcome is found")),
            *(_glance(name, catalog[name], row) for name, row in rows.items()),
            "",
            *_section("What can be traded", ("broker", "class", "order types", "times in force", "hours")),
            *(line for row in rows.values() for line in _traded(row)),
            "",
            *_matrix("Kinds of orders", OrderClass, {name: row.order_classes for name, row in rows.items()}),
            "",
            *_matrix("What else", Feature, {name: row.features for name, row in rows.items()}),
            "",
            _FEES,
        ]
    )


def _section(title: str, columns: Iterable[str]) -> Iterator[str]:
    named = list(columns)
    yield f"## {title}\n"
    yield f"| {' | '.join(named)} |"
    yield "|" + "---|" * len(named)


def _glance(name: str, factory: AdapterFactory, row: Capabilities) -> str:
    room = type(factory).__module__.split(".")[2]
    link = f"[{row.name}](../src/brokergw/adapters/{room}/README.md)"
    return f"| {link} | `{name}` | {_words(row.environments)} | {row.authentication} | {_RESOLUTION[row.resolution]} |"


def _traded(row: Capabilities) -> Iterator[str]:
    for each in sorted(row.asset_classes):
        told = _words(row.order_types[each]), _words(row.times_in_force[each]), row.markets[each].calendar
        yield f"| {row.name} | {each} | {' | '.join(told)} |"


def _matrix(title: str, kinds: Iterable[Enum], claimed: Mapping[str, frozenset[Enum]]) -> Iterator[str]:
    yield from _section(title, ("", *claimed))
    for kind in kinds:
        cells = (_YES if kind in each else "" for each in claimed.values())
        yield f"| {kind.value} | {' | '.join(cells)} |"


def _words(values: Iterable[Enum]) -> str:
    return ", ".join(sorted(str(each.value) for each in values))


if __name__ == "__main__":
    sys.stdout.write(page())
