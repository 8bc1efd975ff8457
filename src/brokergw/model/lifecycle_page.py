"""Writes `docs/lifecycle.md` from the lifecycle table: `python -m brokergw.model.lifecycle_page`."""

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from brokergw.model.lifecycle import AT_BROKER, EDGES, ENDED_AT_BROKER, STATES, State

_HEAD: Final = """# The life of an order

<!-- Written by `python -m brokergw.model.lifecycle_page`; edit `src/brokergw/model/lifecycle.py` instead. -->

Every state of the journal, what clients see of it, and which may follow which. This page is written from the one table
that the code obeys (`model/lifecycle.py`); a move that is not on it is refused. Two boxes stand for several states:
**at the broker** for those in which the broker has confirmed the order and may work it, **ended** for those in which it
has told how the order ended. Any state of the first may follow any other, and any of the second.
"""

_NOTES: Final = """
## What leads out of doubt

- A broker's silence leads to `IN_DOUBT`, never to a guess. Evidence ends it: the order is found at the broker, or its
  absence is proved by several complete answers over a span of time, while nobody who could still send it lives.
- `RESOLVED_ABSENT` is such a proof, and a wait for an order that shows late. Clients still see `IN_DOUBT`. When the
  wait is over (15 minutes as a rule, until the expiry for an order that has one later) it becomes `ABSENT`.
- An order that the broker shows after all is taken over, even when it was `ABSENT`. That is reported as `order born
  late`, and its key answers with the order from then on.
- `MANUAL` means that the evidence points two ways: several orders at the broker might be ours, or the one under our id
  is a different one. Of the orders at the broker only a `PENDING_MODIFY` leads there: the change was made, and the
  broker does not say which order is the changed one. An operator's verdict ends it, and nothing else.
"""

_BOXES: Final = {"at_broker": ("at the broker", AT_BROKER), "ended": ("ended", ENDED_AT_BROKER)}


def page() -> str:
    """Give the whole page."""
    return _HEAD + _diagram() + _table() + _NOTES


def _diagram() -> str:
    lines = ["stateDiagram-v2", f"    [*] --> {State.SENDING}: admitted", f"    [*] --> {State.DENIED}: a gate said no"]
    for box, (title, states) in _BOXES.items():
        lines.append(f'    state "{title}" as {box} {{')
        lines += [f"        {state}" for state in STATES if state in states]
        lines.append("    }")
    for state in STATES:
        if state not in AT_BROKER | ENDED_AT_BROKER:
            lines += [f"    {state} --> {after}" for after in _boxed(EDGES[state])]
    lines += [f"    at_broker --> {after}" for after in _boxed(_out_of(AT_BROKER)) if after != "at_broker"]
    lines += [f"    {before} --> {after}" for before, after in _corrections()]
    return "\n```mermaid\n" + "\n".join(lines) + "\n```\n"


def _out_of(states: Iterable[State]) -> frozenset[State]:
    """Give what may follow any of some states."""
    return frozenset().union(*(EDGES[state] for state in states))


def _boxed(states: frozenset[State]) -> Iterator[str]:
    """Name some states, a whole box of them by the box's name."""
    for box, (_, members) in _BOXES.items():
        if members <= states:
            yield box
            states -= members
    yield from (state.value for state in STATES if state in states)


def _corrections() -> Iterator[tuple[str, str]]:
    """Give the moves by which late news corrects an order that had ended."""
    for before in STATES:
        if before in ENDED_AT_BROKER:
            yield from ((before.value, after.value) for after in STATES if after in EDGES[before] - {before})


def _table() -> str:
    lines = [
        "\n## The states\n",
        "| journal | clients see | ended | meaning | may be followed by |",
        "|---|---|---|---|---|",
        *(
            f"| `{state}` | `{facts.wire}` | {'yes' if facts.terminal else ''} | {facts.meaning} | {_after(state)} |"
            for state, facts in STATES.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _after(state: State) -> str:
    names = dict.fromkeys(_BOXES[name][0] if name in _BOXES else f"`{name}`" for name in _boxed(EDGES[state]))
    return ", ".join(names)


if __name__ == "__main__":
    sys.stdout.write(page())
