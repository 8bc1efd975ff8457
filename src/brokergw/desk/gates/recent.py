"""The orders of the last moments, by what they ask for, so that one that is placed twice by mistake is seen."""

from brokergw.model.likeness import Alike


class Recent:
    """Which key placed what last, for as long as `window_ns` after it."""

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._placed: dict[Alike, tuple[int, str]] = {}

    def other(self, alike: Alike, key: str, now_ns: int) -> int | None:
        """Give how long ago (nanoseconds) another key placed the same; None if none did within the window."""
        found = self._placed.get(alike)
        if found is None or found[1] == key or now_ns - found[0] >= self._window_ns:
            return None
        return max(0, now_ns - found[0])

    def place(self, alike: Alike, key: str, now_ns: int) -> None:
        """Remember who placed what."""
        found = self._placed.pop(alike, None)
        if not self._window_ns:
            return
        if found is not None and found[0] > now_ns:
            # Told late of an earlier one.
            self._placed[alike] = found
            return
        self._placed[alike] = (now_ns, key)
        while True:
            oldest = next(iter(self._placed))
            if now_ns - self._placed[oldest][0] < self._window_ns:
                return
            del self._placed[oldest]

    def take_back(self, alike: Alike, key: str) -> None:
        """Forget what came to nothing, so that it may be placed anew."""
        found = self._placed.get(alike)
        if found is not None and found[1] == key:
            del self._placed[alike]
