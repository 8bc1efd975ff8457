import base64
import struct
from dataclasses import replace
from typing import Final

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from brokergw.store.vault.ring import KeyRing, key_id_of
from brokergw.store.vault.seal import Place, Seal, Sealed

KEY: Final = bytes(range(32))
OTHER_KEY: Final = b"x" * 32
PLACE: Final = Place("usr_1", "con_1", "alpaca", "secret", version=3)
FORMER_PLACE: Final = replace(PLACE, version=1)
VALUE: Final = "a very secret value"

values = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
places = st.builds(Place, words, words, words, words, version=st.integers(1, 2**62))


def seal_of(*keys: bytes) -> Seal:
    """Make a seal whose first key wraps."""
    return Seal(KeyRing(keys or (KEY,)))


def formerly_sealed(value: str, place: Place, key: bytes = KEY, nonce: bytes = bytes(12)) -> str:
    """Seal as the former format does, written from its description alone."""
    bound = ("v1", key_id_of(key), place.user_id, place.connection_id, place.broker, place.field)
    extra = b"".join(struct.pack(">I", len(part.encode())) + part.encode() for part in bound)
    body = nonce + AESGCM(key).encrypt(nonce, value.encode(), extra)
    return f"v1.{key_id_of(key)}.{base64.urlsafe_b64encode(body).decode()}"


@given(values, places)
def test_a_sealed_value_opens_in_its_place(value: str, place: Place) -> None:
    """What was sealed opens again with the same keys in the same place, whatever both hold."""
    assert seal_of().open(seal_of().close(value, place), place) == value


@given(values, places, places)
def test_a_value_opens_in_no_other_place(value: str, place: Place, other: Place) -> None:
    """Moved to another user, connection, broker or field, or under another version, a value does not open."""
    sealed = seal_of().close(value, place)
    if place != other:
        with pytest.raises(Sealed, match="moved or changed"):
            seal_of().open(sealed, other)


@pytest.mark.parametrize("part", ["user_id", "connection_id", "broker", "field"])
def test_each_part_of_a_place_counts(part: str) -> None:
    """Any one part that is another keeps a value shut, its data key too."""
    elsewhere = replace(PLACE, **{part: "other"})  # type: ignore[arg-type]
    for act in (seal_of().open, seal_of(OTHER_KEY, KEY).rewrap):
        with pytest.raises(Sealed, match="moved or changed"):
            act(seal_of().close(VALUE, PLACE), elsewhere)


@pytest.mark.parametrize("version", [1, 2, 4])
def test_another_version_does_not_open(version: int) -> None:
    """An older value in the row of a newer one does not open, nor a newer one in the row of an older."""
    with pytest.raises(Sealed, match="moved or changed"):
        seal_of().open(seal_of().close(VALUE, PLACE), replace(PLACE, version=version))


@given(words, words, st.integers(0, 12))
def test_parts_of_a_place_do_not_run_together(one: str, two: str, cut: int) -> None:
    """Places whose parts only read the same when they are joined are different places."""
    joined = one + two
    place, other = Place(one, two, "", ""), Place(joined[:cut], joined[cut:], "", "")
    if place != other:
        with pytest.raises(Sealed):
            seal_of().open(seal_of().close(VALUE, place), other)


def test_the_same_value_is_sealed_differently_each_time() -> None:
    """Equal secrets cannot be told by their sealed texts, nor by any part of them: each has a data key of its own."""
    one, two = (seal_of().close(VALUE, PLACE).split(".") for _ in range(2))
    assert one[:2] == two[:2] == ["v2", key_id_of(KEY)]
    assert one[2] != two[2]
    assert one[3] != two[3]


@given(values, st.data())
def test_no_flipped_bit_is_overlooked(value: str, data: st.DataObject) -> None:
    """One flipped bit anywhere, in a half of the envelope or in the text itself, keeps a value shut."""
    sealed = seal_of().close(value, PLACE)
    halves = [base64.urlsafe_b64decode(each) for each in sealed.split(".")[2:]]
    which = data.draw(st.sampled_from([0, 1]))
    bit = data.draw(st.integers(0, 8 * len(halves[which]) - 1))
    flipped = bytearray(halves[which])
    flipped[bit // 8] ^= 1 << bit % 8
    halves[which] = bytes(flipped)
    forged = ".".join((*sealed.split(".")[:2], *(base64.urlsafe_b64encode(each).decode() for each in halves)))
    with pytest.raises(Sealed, match="moved or changed"):
        seal_of().open(forged, PLACE)
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:place] + chr(ord(sealed[place]) ^ 1 << data.draw(st.integers(0, 6))) + sealed[place + 1 :]
    with pytest.raises(Sealed):
        seal_of().open(changed, PLACE)


@pytest.mark.parametrize("half", [2, 3])
def test_a_cut_tag_is_noticed(half: int) -> None:
    """With any number of bytes cut from the end of either half, or put there, a value stays shut."""
    parts = seal_of().close(VALUE, PLACE).split(".")
    raw = base64.urlsafe_b64decode(parts[half])
    for forged in (*(raw[:length] for length in range(len(raw))), raw + b"\0"):
        parts[half] = base64.urlsafe_b64encode(forged).decode()
        with pytest.raises(Sealed, match="moved or changed"):
            seal_of().open(".".join(parts), PLACE)


def test_a_data_key_belongs_to_its_value() -> None:
    """The wrapped data key of another value does not open this one: not of another place, not of this very place."""
    parts = seal_of().close(VALUE, PLACE).split(".")
    for place in (PLACE, replace(PLACE, field="key"), replace(PLACE, user_id="usr_2"), replace(PLACE, version=2)):
        parts[2] = seal_of().close(VALUE, place).split(".")[2]
        with pytest.raises(Sealed, match="moved or changed"):
            seal_of().open(".".join(parts), PLACE)


@pytest.mark.parametrize("text", ["", ".", "v2", "v2...", "v3.a.b.c", "v1.a.b.c", "v2.a.b", f"v2.{key_id_of(KEY)}.%.%"])
def test_what_is_no_sealed_text_is_refused(text: str) -> None:
    """Anything else raises the same error, which names the connection and shows nothing of the text."""
    with pytest.raises(Sealed) as refused:
        seal_of().open(text, PLACE)
    assert refused.value.metadata == {"connection_id": "con_1"}
    assert refused.value.__cause__ is None


def test_a_missing_key_is_told_by_its_id() -> None:
    """A value under a key that is not in the ring is refused as such; the id shows nothing of the key."""
    with pytest.raises(Sealed, match=f"under key {key_id_of(KEY)}, which is not among the keys"):
        seal_of(OTHER_KEY).open(seal_of().close(VALUE, PLACE), PLACE)
    assert KEY.hex()[:16] != key_id_of(KEY)


def test_a_key_id_cannot_be_exchanged() -> None:
    """A text that is made to name another key of the ring does not open."""
    sealed = seal_of().close(VALUE, PLACE).replace(key_id_of(KEY), key_id_of(OTHER_KEY))
    with pytest.raises(Sealed, match="moved or changed"):
        seal_of(KEY, OTHER_KEY).open(sealed, PLACE)


def test_every_key_of_the_ring_opens_and_the_first_one_seals() -> None:
    """With a new key before it, the old one opens what it sealed, and seals nothing any more."""
    old, both = seal_of(KEY), seal_of(OTHER_KEY, KEY)
    assert both.open(old.close(VALUE, PLACE), PLACE) == VALUE
    assert both.close(VALUE, PLACE).split(".")[1] == key_id_of(OTHER_KEY)


@given(values, places)
def test_a_value_is_put_under_the_first_key(value: str, place: Place) -> None:
    """Rewrapped, a value opens with the new key alone; its own ciphertext is untouched, and done again so is all."""
    sealed = seal_of(KEY).close(value, place)
    moved = seal_of(OTHER_KEY, KEY).rewrap(sealed, place)
    assert seal_of(OTHER_KEY).open(moved, place) == value
    assert moved.split(".")[3] == sealed.split(".")[3]
    assert seal_of(OTHER_KEY).rewrap(moved, place) == moved


@given(values)
def test_a_former_value_opens_and_is_written_anew(value: str) -> None:
    """What the former format sealed opens as a first version, and is an envelope once it is rewrapped."""
    sealed = formerly_sealed(value, FORMER_PLACE)
    assert seal_of().open(sealed, FORMER_PLACE) == value
    for keys in ((KEY,), (OTHER_KEY, KEY)):
        anew = seal_of(*keys).rewrap(sealed, FORMER_PLACE)
        assert anew.split(".")[:2] == ["v2", key_id_of(keys[0])]
        assert seal_of(keys[0]).open(anew, FORMER_PLACE) == value


@pytest.mark.parametrize("part", ["user_id", "connection_id", "broker", "field"])
def test_a_former_value_is_bound_to_its_place(part: str) -> None:
    """The former format binds its place too."""
    with pytest.raises(Sealed, match="moved or changed"):
        seal_of().open(formerly_sealed(VALUE, FORMER_PLACE), replace(FORMER_PLACE, **{part: "other"}))  # type: ignore[arg-type]


def test_a_former_value_cannot_stand_for_a_newer_one() -> None:
    """A value without a version is never taken for what a version has replaced."""
    with pytest.raises(Sealed, match="older than their record says"):
        seal_of().open(formerly_sealed(VALUE, PLACE), replace(PLACE, version=2))


def test_nothing_of_the_keys_is_printed() -> None:
    """A ring and its keys show their ids alone."""
    ring = KeyRing([KEY, OTHER_KEY])
    assert repr(ring) == f"KeyRing({key_id_of(KEY)}, {key_id_of(OTHER_KEY)})"
    assert repr(ring.primary) == f"KeyEncryptionKey(key_id='{key_id_of(KEY)}')"
