"""The risk text that a user acknowledges before trading live money."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Self

VERSION: Final = "1"
"""Of the text in `risk_text.md`. Another text is another version: live then waits until that one is acknowledged."""


@dataclass(frozen=True, slots=True)
class RiskText:
    """A version of the text; `text_hash` is its SHA-256 in hex."""

    version: str
    text: str
    text_hash: str

    @classmethod
    def of(cls, version: str, text: str) -> Self:
        """Make a version of a text."""
        return cls(version, text, hashlib.sha256(text.encode()).hexdigest())


def present_text() -> RiskText:
    """Read the text of this version of the gateway."""
    return RiskText.of(VERSION, files("brokergw.desk.live").joinpath("risk_text.md").read_text("utf-8"))
