import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from brokergw.store.vault.ring import KeyRing
from brokergw.store.vault.seal import Place, Seal
from tests.fixtures.builds import build, build_plain_go

KEYS: Final = [bytes(range(32)), b"\xff" * 32]
PLACES: Final = [
    Place("usr_1", "con_1", "alpaca", "secret"),
    Place("", "", "", "", version=2**62),
    Place("ünïcode", "con_€", "a.b", "key", version=17),
]
VALUES: Final = ["", "x", "a very secret value", "ü" * 300]
CASES: Final = [(key, place, value) for key in KEYS for place in PLACES for value in VALUES]


def asked(program: Path, questions: list[dict[str, Any]]) -> list[str]:
    """Ask the other implementation; one answer a question."""
    lines = "".join(json.dumps(each) + "\n" for each in questions)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.removesuffix("\n").split("\n")


def question(key: bytes, place: Place, **more: str) -> dict[str, Any]:
    """Put a place as the other program wants it."""
    parts = {name.replace("_", ""): value for name, value in asdict(place).items()}
    return {"key": key.hex(), **parts, **more}


def test_another_implementation_reads_and_writes_the_same_envelopes() -> None:
    """A program written from the page, with Go's own AES-GCM, opens what is sealed here, and the other way round."""
    program = build("envelope", Path(__file__).parent / "envelope", build_plain_go) / "program"
    sealed = [Seal(KeyRing([key])).close(value, place) for key, place, value in CASES]
    opening = [question(key, place, sealed=each) for (key, place, _), each in zip(CASES, sealed, strict=True)]
    assert asked(program, opening) == [value for _, _, value in CASES]
    made = asked(program, [question(key, place, value=value) for key, place, value in CASES])
    assert [Seal(KeyRing([key])).open(each, place) for (key, place, _), each in zip(CASES, made, strict=True)] == [
        value for _, _, value in CASES
    ]
