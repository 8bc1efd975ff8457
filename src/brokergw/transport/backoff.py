"""How long is waited before a link is tried again."""

import random
from typing import Final

_RENEWED_AFTER_S: Final = 5.0
"""How long a link must have lasted to be renewed without a pause: one that ends at once each time must wait."""


class Backoff:
    """The pauses between the attempts at one link, in seconds: ever longer, and from the first again after a link that
    was stable.
    """

    def __init__(self, first_s: float, max_s: float, stable_s: float) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._stable_s = stable_s
        self._next_s = first_s

    def pause_s(self, lasted_s: float, *, renewal: bool = False) -> float:
        """Tell how long to wait after an attempt that lasted so long; a link that we gave up for a fresh one is not
        waited for, unless it is young.
        """
        if lasted_s >= self._stable_s:
            self._next_s = self._first_s
        if renewal and lasted_s >= _RENEWED_AFTER_S:
            return 0.0
        pause_s, self._next_s = self._next_s, min(self._max_s, self._next_s * 2)
        # Jitter only has to spread reconnects out.
        return pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - not a secret
