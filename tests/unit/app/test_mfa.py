from pathlib import Path

import pytest

from brokergw.app.keys import create_key, request_of, store_of
from brokergw.app.mfa import reset_mfa, unlock_mfa
from brokergw.app.settings import Settings
from brokergw.model.mfa import Authenticator


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """Give the settings of a gateway on which root has a locked authenticator."""
    made = Settings(data_dir=tmp_path)
    await create_key(made, "root", request_of("laptop"))
    new = Authenticator(user_id="root", authenticator_id="mfa_1", secret="JBSWY3DP", enroll_time_ns=1)
    async with store_of(made) as (store, _):
        await store.authenticators.enroll(new)
        await store.authenticators.take_code("root", "mfa_1", None, 2, 1)
    return made


async def test_the_only_administrator_unlocks_and_resets_on_the_server(settings: Settings) -> None:
    """What nobody may do for itself over the API is done in the database; where there is nothing, that is said."""
    assert await unlock_mfa(settings, "root")
    async with store_of(settings) as (store, _):
        known = await store.authenticators.get("root")
        assert known is not None
        assert not known.locked
    assert await reset_mfa(settings, "root")
    assert not await reset_mfa(settings, "root")
    assert not await unlock_mfa(settings, "nobody")
