"""The way to live money, for brokers that have nothing else: every step of it, through the API."""

from brokergw.client import Client
from tests.chaos.prepared import USER
from tests.fixtures.phone import Phone


async def go_live(target: str, api_key: str) -> None:
    """Let the user, who is an administrator too, trade live: grant, acknowledgement, authenticator, code."""
    async with Client(target, api_key) as client:
        await client.grant_live_trading(USER)
        await client.acknowledge_risk((await client.get_risk_text()).version)
        phone = Phone((await client.enroll_mfa()).secret)
        await client.confirm_mfa(phone.code())
        await client.escalate_to_live(phone.code())
