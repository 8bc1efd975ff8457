"""Those who lift the halts between rounds: many, because each one's code is good once in thirty seconds."""

import time
from dataclasses import dataclass, field
from typing import Final

import pyotp

from brokergw.app.secrets import load_secrets
from brokergw.app.settings import Settings
from brokergw.desk.identity.key_form import hash_key, mint_key
from brokergw.desk.live import totp
from brokergw.model.ids import new_id
from brokergw.model.mfa import Authenticator
from brokergw.model.principal import ApiKey, Role, Scope
from brokergw.store.open import Store

KEEPERS: Final = 24


@dataclass(slots=True)
class Keeper:
    """A person of the platform's, with a key and an authenticator."""

    identity: tuple[tuple[str, str], ...] = field(repr=False)
    secret: str = field(repr=False)
    last_step: int = 1


class Keepers:
    """All of them."""

    def __init__(self, keepers: list[Keeper]) -> None:
        self._keepers = keepers

    def code(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """Give somebody's identity and a fresh code of the same person."""
        now_ns = time.time_ns()
        keeper = min(self._keepers, key=lambda each: each.last_step)
        present = now_ns // totp.STEP_NS
        # The code of the step to come is taken early, but the last one's would be too late where the step ends now.
        keeper.last_step = max(present, keeper.last_step + 1)
        assert keeper.last_step <= present + 1, "the rounds are faster than the authenticators"
        return keeper.identity, pyotp.TOTP(keeper.secret).generate_otp(keeper.last_step)


async def enrol_keepers(store: Store, settings: Settings) -> Keepers:
    """Make them in the database."""
    return Keepers([await _enrol(store, settings, f"keeper-{number}") for number in range(KEEPERS)])


async def _enrol(store: Store, settings: Settings, user_id: str) -> Keeper:
    key_id, token = mint_key()
    now_ns = time.time_ns()
    key = ApiKey(
        key_id=key_id,
        user_id=user_id,
        name="killing",
        scopes=frozenset(Scope),
        roles=frozenset({Role.USER, Role.ADMIN}),
        create_time_ns=now_ns,
        expire_time_ns=None,
        revoke_time_ns=None,
    )
    await store.keys.add(key, hash_key(token, load_secrets(settings).api_key_pepper))
    secret, authenticator_id = totp.new_secret(), new_id("mfa")
    new = Authenticator(user_id=user_id, authenticator_id=authenticator_id, secret=secret, enroll_time_ns=now_ns)
    assert await store.authenticators.enroll(new)
    # A step of long ago confirms, and leaves every code of today unused.
    await store.authenticators.take_code(user_id, authenticator_id, 1, now_ns, 10)
    return Keeper((("authorization", f"Bearer {token}"),), secret)
