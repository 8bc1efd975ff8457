"""One process that watches grants: `python -m tests.oauth.warner`, told what to do by a line of JSON.

It holds the connection as if no other did, says `ready`, and for each line with a moment looks at the grants a few
times as of then; after each it prints one line of JSON: the alerts that it has raised, and what its card would say.
"""

import asyncio
import json
import sys
from typing import Any, Final

from brokergw.adapters.alpaca import AlpacaBroker, AlpacaConfig
from brokergw.adapters.oauth import CTRADER
from brokergw.adapters.schwab import SCHWAB_OAUTH
from brokergw.desk.oauth.refreshing import OAuthNeeds
from brokergw.desk.oauth.tokens import Tokens
from brokergw.desk.oauth.watching import Watching
from brokergw.desk.sessions import Sessions
from brokergw.store.open import open_store
from brokergw.transport.oauth.client import TokenClient
from tests.fixtures.clock import FakeClock
from tests.fixtures.oauth_world import Heard
from tests.fixtures.stores import CREDENTIALS_KEY

NOWHERE: Final = "http://127.0.0.1:9"
LOOKS: Final = 5
PROFILES: Final = {profile.broker: profile for profile in (SCHWAB_OAUTH, CTRADER)}


async def main(task: dict[str, Any]) -> None:
    """Do what the task says."""
    clock = FakeClock(task["now_ns"], auto=False)
    async with open_store(task["store"], clock=clock, credentials_key=CREDENTIALS_KEY) as store:
        client, heard = TokenClient(), Heard()
        broker = AlpacaBroker(clock=clock, config=AlpacaConfig.at(NOWHERE))
        sessions = Sessions(store.connections, dict.fromkeys(PROFILES, broker), clock)
        needs = OAuthNeeds(store.grants, store.connections, client, heard, clock)
        tokens = Tokens(PROFILES, needs)
        sessions.tokens_of = tokens.of
        watching = Watching(needs, sessions, tokens)
        await sessions.open_all()
        (session,) = sessions.all()
        session.lease = object()  # type: ignore[assignment]
        say("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            clock.advance((int(line) - clock.now_ns()) / 1e9)
            for _ in range(LOOKS):
                await watching.look()
                while watching._work:
                    await asyncio.wait(watching._work.values())
            end = session.end_ahead
            say(json.dumps({"alerts": [each.message for each in heard.alerts], "card": end.words if end else ""}))
        await sessions.stop()
        await client.close()


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
