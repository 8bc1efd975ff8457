"""What a look over an installation finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: in order (True), to be mended (False) or worth knowing (None), and what to do."""

    area: str
    ok: bool | None
    what: str
    advice: str = ""
