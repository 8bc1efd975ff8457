import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.store.seal import Place, Seal, Sealed

KEY = bytes(range(32))
PLACE = Place("usr_1", "con_1", "alpaca", "secret")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_sealed_value_opens_in_its_place(value: str) -> None:
    """What was sealed opens again, with the same key in the same place."""
    assert Seal(KEY).open(Seal(KEY).close(value, PLACE), PLACE) == value


@pytest.mark.parametrize("field", ["user_id", "connection_id", "broker", "field"])
def test_moved_value_does_not_open(field: str) -> None:
    """A value moved to another user, connection, broker or field does not open."""
    sealed = Seal(KEY).close("value", PLACE)
    with pytest.raises(Sealed, match="moved or changed"):
        Seal(KEY).open(sealed, replace(PLACE, **{field: "other"}))


def test_parts_of_a_place_do_not_run_together() -> None:
    """Two places whose parts only read the same when joined are different places."""
    sealed = Seal(KEY).close("value", Place("ab", "c", "", ""))
    with pytest.raises(Sealed):
        Seal(KEY).open(sealed, Place("a", "bc", "", ""))


def test_same_value_seals_differently_each_time() -> None:
    """Equal secrets cannot be told by their sealed texts."""
    assert Seal(KEY).close("value", PLACE) != Seal(KEY).close("value", PLACE)


def test_every_changed_character_is_noticed() -> None:
    """No character of a sealed text can be changed without the opening failing, and no error shows the value."""
    seal = Seal(KEY)
    sealed = seal.close("value", PLACE)
    body = sealed.rindex(".") + 1
    raw = base64.urlsafe_b64decode(sealed[body:])
    changed = [raw[:n] + bytes([raw[n] ^ 1]) + raw[n + 1 :] for n in range(len(raw))]
    forged = [sealed[:body] + base64.urlsafe_b64encode(each).decode() for each in changed]
    forged += ["", "v1", "v1.", f"v1.{seal.key_id}.", f"v1.{seal.key_id}.%", sealed[:-9], sealed.replace("v1", "v2")]
    for each in forged:
        with pytest.raises(Sealed) as refused:
            seal.open(each, PLACE)
        assert "value" not in str(refused.value)
        assert refused.value.metadata == {"connection_id": "con_1"}


def test_another_key_is_told_by_its_id() -> None:
    """A value of another key is refused as such, before any decryption; the id does not show the key."""
    sealed = Seal(KEY).close("value", PLACE)
    with pytest.raises(Sealed, match="another key"):
        Seal(b"x" * 32).open(sealed, PLACE)
    assert sealed.split(".")[:2] == ["v1", Seal(KEY).key_id]
    assert KEY.hex()[:16] != Seal(KEY).key_id


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_key_must_be_32_bytes(length: int) -> None:
    """A key of another length is refused in words."""
    with pytest.raises(ValueError, match="must be 32 bytes"):
        Seal(bytes(length))
