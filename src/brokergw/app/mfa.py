"""Authenticators from the command line, straight in the database: for the administrator who has lost its own."""

from brokergw.app.clock import SystemClock
from brokergw.app.keys import store_of
from brokergw.app.settings import Settings
from brokergw.model.events import AuditRow


async def reset_mfa(settings: Settings, user_id: str) -> bool:
    """Remove a user's authenticator, and live trading with it; False when there is none."""
    async with store_of(settings) as (store, _):
        return await store.authenticators.reset(user_id, _audit(user_id, "mfa.reset"))


async def unlock_mfa(settings: Settings, user_id: str) -> bool:
    """Let a user's codes be looked at again; False when there is no authenticator."""
    async with store_of(settings) as (store, _):
        return await store.authenticators.unlock(user_id, _audit(user_id, "mfa.unlocked"))


def _audit(user_id: str, action: str) -> AuditRow:
    return AuditRow(
        time_ns=SystemClock().now_ns(),
        request_id="",
        user_id=user_id,
        key_id="",
        action=action,
        outcome="OK",
        detail="on the server, from the command line",
    )
