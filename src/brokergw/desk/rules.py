"""How long things last at the desk; `app/build.py` takes it from the settings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRules:
    """Seconds and days that the desk waits.

    `absence_quarantine_s`: how long an order that was proved absent is waited for, lest it is born late.
    `key_retention_days`: how long a key's answer is kept; `key_tombstone_days`: how long it is known that it was used.
    `event_retention_days`: how long the events of accounts are kept, 0 for ever.
    """

    absence_quarantine_s: float = 900.0
    key_retention_days: int = 30
    key_tombstone_days: int = 400
    event_retention_days: int = 0
