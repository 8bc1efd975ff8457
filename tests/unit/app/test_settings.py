"""Settings from the environment."""

from contextlib import nullcontext

import pytest
from pydantic import ValidationError

from brokergw.app.settings import Settings, split_address
from brokergw.app.settings_page import page, variable
from brokergw.model.limits import NUMBERS


def test_every_setting_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prefix holds for all but the names that other programs share."""
    monkeypatch.setenv("BROKERGW_LISTEN", "127.0.0.1:7")
    monkeypatch.setenv("CREDENTIALS_ENCRYPTION_KEY", "k")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    settings = Settings()
    assert settings.listen == "127.0.0.1:7"
    assert settings.credentials_encryption_key is not None
    assert settings.credentials_encryption_key.get_secret_value() == "k"
    assert settings.otlp_endpoint == "http://127.0.0.1:4317"


def test_the_page_names_every_variable() -> None:
    """Nothing can be set that is not explained."""
    text = page()
    assert all(f"`{variable(name, field)}`" in text for name, field in Settings.model_fields.items())
    assert all(field.description for field in Settings.model_fields.values())


def test_the_platform_limits_every_number_but_the_units_of_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's leverage, worth, loss or count is without a bound, and the bound is the setting's."""
    monkeypatch.setenv("BROKERGW_LEVERAGE_MAX", "7")
    mandatory = Settings().mandatory_limits
    assert [name for name in NUMBERS if getattr(mandatory, name) is None] == ["order_quantity_max"]
    assert mandatory.leverage_max == 7


def test_half_a_tls_pair_is_refused() -> None:
    """A certificate without its key would serve nobody."""
    with pytest.raises(ValidationError, match="go together"):
        Settings(tls_certificate="cert.pem")


@pytest.mark.parametrize(("address", "parts"), [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0))])
def test_an_address_is_split(address: str, parts: tuple[str, int]) -> None:
    """Host and port, brackets off."""
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", "localhost", ":80", "host:port"])
def test_a_bad_address_says_what_it_must_be(address: str) -> None:
    """The sentence names the form."""
    with pytest.raises(ValueError, match="host:port"):
        split_address(address)


def test_only_sqlite_upgrades_itself() -> None:
    """On a server somebody decides when."""
    assert Settings().upgrades_itself
    assert not Settings(database_url="postgresql://host/name").upgrades_itself
    assert Settings(database_url="postgresql://host/name", database_auto_upgrade=True).upgrades_itself


@pytest.mark.parametrize(("days", "fine"), [(0, True), (29, False), (30, True), (31, True)])
def test_events_are_kept_as_long_as_keys_answer(days: int, fine: bool) -> None:  # noqa: FBT001 - a case
    """A key's answer is the order as it stood then, so its events may not be gone before."""
    with nullcontext() if fine else pytest.raises(ValueError, match="event_retention_days"):
        Settings(event_retention_days=days, key_retention_days=30)
