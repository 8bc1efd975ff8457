from collections.abc import Sequence

import pytest

from brokergw.store.vault.ring import KEYS_MAX, KeyRing, key_id_of


def some_keys(count: int) -> list[bytes]:
    """Make different keys."""
    return [bytes([number]) * 32 for number in range(count)]


class Shelf:
    """Keys that are read again: None while they are the same."""

    def __init__(self) -> None:
        self.fresh: Sequence[bytes] | None = None

    def reread(self) -> Sequence[bytes] | None:
        fresh, self.fresh = self.fresh, None
        return fresh


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_32_bytes(length: int) -> None:
    """A key of another length is refused in words."""
    with pytest.raises(ValueError, match="must be 32 bytes"):
        KeyRing([bytes(length)])


@pytest.mark.parametrize(("count", "good"), [(0, False), (1, True), (KEYS_MAX, True), (KEYS_MAX + 1, False)])
def test_a_ring_has_one_key_at_least_and_eight_at_most(count: int, *, good: bool) -> None:
    """None seals nothing, and more than eight are a mistake."""
    if good:
        assert KeyRing(some_keys(count)).ids == tuple(map(key_id_of, some_keys(count)))
    else:
        with pytest.raises(ValueError, match="one credentials key at least and 8 at most"):
            KeyRing(some_keys(count))


def test_a_key_is_there_once() -> None:
    """The same key twice is a mistake: of which is the other one the copy?"""
    with pytest.raises(ValueError, match="there twice"):
        KeyRing([*some_keys(2), bytes(32)])


def test_an_unknown_key_makes_the_ring_look_again() -> None:
    """A key that came since is found by its id, without a word to the ring; an id that nobody has is not."""
    shelf = Shelf()
    ring = KeyRing(some_keys(1), shelf.reread)
    old, new = map(key_id_of, some_keys(2))
    assert ring.find(new) is None
    shelf.fresh = some_keys(2)[::-1]
    found = ring.find(new)
    assert found is not None
    assert ring.primary is found
    assert ring.ids == (new, old)


def test_a_refresh_tells_whether_the_keys_are_others() -> None:
    """The same keys again are no news; keys that make no ring are left alone."""
    shelf = Shelf()
    ring = KeyRing(some_keys(1), shelf.reread)
    assert not ring.refresh()
    shelf.fresh = some_keys(1)
    assert not ring.refresh()
    shelf.fresh = []
    assert not ring.refresh()
    assert ring.ids == (key_id_of(bytes(32)),)
    shelf.fresh = some_keys(2)
    assert ring.refresh()
    assert not KeyRing(some_keys(1)).refresh()
