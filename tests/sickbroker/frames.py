"""Reading what a client says on a websocket, frame by frame, as it comes."""

from collections.abc import Iterator
from typing import Final

_LENGTH_BYTES: Final = {126: 2, 127: 8}
_MASK_BYTES: Final = 4


class ClientFrames:
    """Cuts a client's bytes into its frames, which are masked."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give each frame that is whole now, as it came and as it reads."""
        self._rest += data
        while (size := self._size()) is not None:
            head, whole = size
            raw, self._rest = self._rest[:whole], self._rest[whole:]
            mask = raw[head - _MASK_BYTES : head]
            yield raw, bytes(byte ^ mask[at % _MASK_BYTES] for at, byte in enumerate(raw[head:]))

    def _size(self) -> tuple[int, int] | None:
        """Tell how long the first frame's head is, and the whole of it, if it is here."""
        if len(self._rest) < 2:
            return None
        short = self._rest[1] & 0x7F
        extended = _LENGTH_BYTES.get(short, 0)
        head = 2 + extended + _MASK_BYTES
        if len(self._rest) < head:
            return None
        body = int.from_bytes(self._rest[2 : 2 + extended], "big") if extended else short
        return (head, head + body) if len(self._rest) >= head + body else None
