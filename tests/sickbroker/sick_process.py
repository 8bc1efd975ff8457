"""The proxy in a process of its own: a flood must not take the time of who measures."""

import json
import subprocess
import sys
from types import TracebackType
from typing import Final, Self

_END_S: Final = 30.0


class SickProcess:
    """Starts the proxy, and tells it whom it stands before and how it feels."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.sickbroker.proxy"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port: int = self._heard()["port"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=_END_S)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def stand_before(self, port: int, frames: bytes = b"") -> None:
        """Say whom requests are for while it is well, and what a frame holds that is an order."""
        self._tell({"broker": port, "frames": frames.decode()})

    def be(self, mood: str, *, cut: bool = False) -> int:
        """Be sick in one way, or well with an empty name; gives how many have visited the stranger so far.

        Streams that are well go on unless they are `cut`, or the mood is about them.
        """
        return self._tell({"mood": mood, "cut": cut})["strangers"]

    def met(self) -> int:
        """Tell how often a mood was met so far."""
        return self._tell({})["met"]

    def streams(self) -> int:
        """Tell how many websockets are open and well."""
        return self._tell({})["streams"]

    def _tell(self, document: dict[str, object]) -> dict[str, int]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> dict[str, int]:
        assert self._process.stdout is not None
        heard: dict[str, int] = json.loads(self._process.stdout.readline())
        return heard
