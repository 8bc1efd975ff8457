"""What a run found: tables for people, one JSON document for comparisons."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.figures import Measurement, Spread, ratio, spread
from bench.plan import CALL_RATIOS, CALLS, IN_FLIGHT, STREAM_RATIOS, STREAMS, SUBSCRIBERS, Case, Ratio

_VERSIONS: Final = ("grpcio", "protobuf", "aiohttp", "sqlalchemy", "alpaca-py")


@dataclass(slots=True)
class Results:
    """Every measurement, by case letter and load, one per round."""

    rounds: int
    seconds: float
    measured: dict[tuple[str, int], list[Measurement]] = field(default_factory=dict)
    delivered: dict[int, list[float]] = field(default_factory=dict)

    def note(self, case: Case, load: int, one: Measurement) -> None:
        """Take one measurement."""
        self.measured.setdefault((case.letter, load), []).append(one)

    def ratio(self, wanted: Ratio, load: int) -> Spread | None:
        """Compare two cases at one load; None where one of them was not measured."""
        above, below = (self.measured.get((letter, load)) for letter in (wanted.above, wanted.below))
        return ratio(above, below, wanted.figure) if above and below else None


def machine() -> dict[str, Any]:
    """Say on what kind of machine the run was made, without naming it."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in _VERSIONS},
    }


def document(results: Results) -> dict[str, Any]:
    """Put everything into JSON types."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rounds": results.rounds,
        "seconds": results.seconds,
        "calls": _rows(results, CALLS, IN_FLIGHT, "in_flight"),
        "streams": _rows(results, STREAMS, SUBSCRIBERS, "subscribers"),
        "ratios": [
            {"ratio": f"{one.above}/{one.below}", "of": one.figure, "load": load, "aim": one.aim, **_rounded(found)}
            for ratios, loads in ((CALL_RATIOS, IN_FLIGHT), (STREAM_RATIOS, SUBSCRIBERS))
            for one in ratios
            for load in loads
            if (found := results.ratio(one, load)) is not None
        ],
        "live_fills_delivered": {str(load): spread_of(shares) for load, shares in results.delivered.items()},
    }


def spread_of(values: Sequence[float | None]) -> dict[str, float] | None:
    """Give median, lowest and highest, or None."""
    found = spread(values)
    return _rounded(found) if found else None


def _rounded(found: Spread) -> dict[str, float]:
    return {name: round(value, 3) for name, value in asdict(found).items()}


def _rows(results: Results, cases: Sequence[Case], loads: Sequence[int], load_name: str) -> list[dict[str, Any]]:
    return [
        {
            "case": case.letter,
            "name": case.name,
            load_name: load,
            "rate_per_s": spread_of([one.rate for one in found]),
            "p50_ms": spread_of([one.p50_ms for one in found]),
            "p99_ms": spread_of([one.p99_ms for one in found]),
            "cpu_us": spread_of([one.cpu_us for one in found]),
        }
        for case in cases
        for load in loads
        if (found := results.measured.get((case.letter, load)))
    ]


def show(results: Results, console: Console) -> None:
    """Print the tables."""
    for case in (*CALLS, *STREAMS):
        if any(letter == case.letter for letter, _ in results.measured):
            console.print(f"[bold]{case.letter:2}[/] {case.name}")
    tables = (
        _table(results, "Orders", (CALLS, IN_FLIGHT), ("in flight", "orders/s")),
        _table(results, "Fill streams", (STREAMS, SUBSCRIBERS), ("subscribers", "fills/s")),
        _ratio_table(results),
    )
    for table in tables:
        if table.row_count:
            console.print(table)
    for load, shares in results.delivered.items():
        console.print(f"Live fills that reached each of {load} in time, of those ordered: {_text(spread(shares), 3)}")
    console.print(
        "Median over rounds (lowest to highest). CPU is the server's; for e the caller's, who is all there is."
    )


def _table(
    results: Results, title: str, rows: tuple[Sequence[Case], Sequence[int]], headings: tuple[str, str]
) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading in (*headings, "p50 ms", "p99 ms", "CPU µs each"):
        table.add_column(heading, justify="right")
    for case in rows[0]:
        for load in rows[1]:
            if found := results.measured.get((case.letter, load)):
                table.add_row(
                    case.letter,
                    str(load),
                    _text(spread([one.rate for one in found]), 0),
                    _text(spread([one.p50_ms for one in found]), 2),
                    _text(spread([one.p99_ms for one in found]), 2),
                    _text(spread([one.cpu_us for one in found]), 0),
                )
    return table


def _ratio_table(results: Results) -> Table:
    table = Table(title="Ratios", title_justify="left")
    table.add_column("")
    table.add_column("what it says")
    for heading in ("load", "ratio", "aim"):
        table.add_column(heading, justify="right")
    for ratios, loads in ((CALL_RATIOS, IN_FLIGHT), (STREAM_RATIOS, SUBSCRIBERS)):
        for one in ratios:
            for load in loads:
                if found := results.ratio(one, load):
                    aim = one.bound if load == (one.aim_at or max(loads)) else ""
                    table.add_row(f"{one.above}/{one.below}", one.says, str(load), _text(found, 2), aim)
    return table


def _text(found: Spread | None, digits: int) -> str:
    if found is None:
        return ""
    return f"{found.median:,.{digits}f} ({found.low:,.{digits}f} to {found.high:,.{digits}f})"
