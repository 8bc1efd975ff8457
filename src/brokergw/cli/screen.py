"""What a verb says: tables for people, JSON lines for programs; data to stdout, everything else to stderr."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from brokergw.client import GatewayCallError
from brokergw.client.messages import Message, as_dict

_PLAIN_WIDTH = 200


class Screen:
    """Where a verb's words go. `json` turns tables into one JSON object a line."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.out = Console(highlight=False)
        if not self.out.is_terminal:
            # A pipe has no width: cutting cells to 80 columns would lose ids.
            self.out.width = _PLAIN_WIDTH
        self._notes = Console(stderr=True, highlight=False)

    @property
    def live(self) -> bool:
        """Whether a person watches, so that a view may redraw itself."""
        return self.out.is_terminal and not self.json

    def show(self, messages: Sequence[Message], table: RenderableType) -> None:
        """Print messages, each as a line of JSON or all as the table made of them."""
        if self.json:
            for message in messages:
                self.line(as_dict(message))
        else:
            self.out.print(table)

    def line(self, value: Any) -> None:
        """Print one line of JSON."""
        self.out.file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
        self.out.file.flush()

    def say(self, text: str, style: str = "") -> None:
        """Tell a person something that is no data."""
        self._notes.print(Text(text, style=style), soft_wrap=True)

    def failed(self, failure: GatewayCallError) -> None:
        """Tell why a call failed, and what to do."""
        if self.json:
            self._notes.file.write(json.dumps({"error": failure_as_dict(failure)}, ensure_ascii=False) + "\n")
            return
        self.say(f"{failure.reason or failure.code.name}: {failure.message}", "bold red")
        for broken in failure.field_violations:
            self.say(f"  {broken.field}: {broken.description}")
        for denied in failure.preflight_violations:
            self.say(f"  {denied.reason} ({denied.subject}): {denied.description}")
        advice = _advice(failure)
        if advice:
            self.say(advice, "yellow")
        ids = {"order": failure.order_id, "request": failure.request_id}
        told = ", ".join(f"{name} {value}" for name, value in ids.items() if value)
        if told:
            self.say(told, "dim")


def failure_as_dict(failure: GatewayCallError) -> dict[str, Any]:
    """Give a failure as the JSON that `--json` prints to stderr."""
    return {
        "code": failure.code.name,
        "reason": failure.reason,
        "message": failure.message,
        "order_effect": failure.order_effect,
        "retry": failure.retry,
        "retry_after_s": failure.retry_after_s,
        "order_id": failure.order_id,
        "idempotency_key": failure.idempotency_key,
        "request_id": failure.request_id,
        "metadata": failure.metadata,
        "field_violations": [
            {"field": v.field, "description": v.description, "reason": v.reason} for v in failure.field_violations
        ],
        "preflight_violations": [
            {"reason": v.reason, "subject": v.subject, "description": v.description}
            for v in failure.preflight_violations
        ],
    }


def _advice(failure: GatewayCallError) -> str:
    if failure.order_effect not in {"NONE", "EXISTS"}:
        again = f"repeat the same command with --idempotency-key {failure.idempotency_key}"
        return f"An order may exist. To find out, {again}."
    wait = "" if failure.retry_after_s is None else f" after {failure.retry_after_s:g} s"
    effect = "The key belongs to an earlier order." if failure.order_effect == "EXISTS" else "Nothing was placed."
    again = {"SAME_KEY": f"Try again{wait}.", "NEW_KEY": "Mend the request, then try again."}.get(failure.retry, "")
    return f"{effect} {again}".strip() if failure.idempotency_key else again


def table(*columns: str, title: str | None = None) -> Table:
    """Begin a table; a column whose name starts with > holds numbers."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for name in columns:
        made.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return made
