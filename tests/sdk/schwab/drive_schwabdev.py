"""Trade through schwabdev, unchanged but for the addresses, and print what it saw as JSON.

Run by `tests/sdk/test_schwab_sdks.py` in an environment of its own: `python drive_schwabdev.py URL TOKENS_JSON`.
"""

import json
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import schwabdev  # type: ignore[import-not-found]

KEY, SECRET = "simulated-application-key-000001", "simulated-secret"


def seed(path: Path, tokens: dict[str, Any], age_s: int) -> None:
    """Put tokens where schwabdev keeps them, so that no browser opens."""
    issued = (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat()
    columns = (
        "access_token_issued TEXT, refresh_token_issued TEXT, access_token TEXT, refresh_token TEXT, id_token TEXT, "
        "expires_in INTEGER, token_type TEXT, scope TEXT"
    )
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE schwabdev ({columns})")
        row = (issued, issued, tokens["access_token"], tokens["refresh_token"], "eyJ", 1800, "Bearer", "api")
        database.execute("INSERT INTO schwabdev VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def main(url: str, tokens: dict[str, Any]) -> dict[str, Any]:
    """Walk through accounts, orders and the stream."""
    schwabdev.client.ClientBase._base_api_url = url
    post = schwabdev.tokens.requests.post

    def elsewhere(address: str, *args: Any, **kwargs: Any) -> Any:
        return post(address.replace("https://api.schwabapi.com", url), *args, **kwargs)

    schwabdev.tokens.requests.post = elsewhere
    directory = tempfile.TemporaryDirectory(prefix="schwabdev-")
    path = Path(directory.name) / "tokens.db"
    seed(path, tokens["ending"], 1_790)
    client = schwabdev.Client(KEY, SECRET, "https://127.0.0.1", tokens_db=str(path))
    (linked,) = client.linked_accounts().json()
    account = linked["hashValue"]
    order = {
        "session": "NORMAL",
        "duration": "DAY",
        "orderType": "LIMIT",
        "price": 10.5,
        "orderStrategyType": "SINGLE",
        "orderLegCollection": [
            {"instruction": "BUY", "quantity": 2, "instrument": {"symbol": "AAPL", "assetType": "EQUITY"}}
        ],
    }
    told: list[str] = []
    streamer = schwabdev.Stream(client)
    streamer.start(told.append)
    deadline = time.monotonic() + 30
    while not any('"LOGIN"' in each for each in told) and time.monotonic() < deadline:
        time.sleep(0.02)
    streamer.send(streamer.account_activity("Account Activity", "0,1,2,3", command="SUBS"))
    while not any("SUBSCRIBED" in each for each in told) and time.monotonic() < deadline:
        time.sleep(0.02)
    placed = client.place_order(account, order)
    order_id = placed.headers["Location"].rpartition("/")[2]
    while not any(order_id in each for each in told) and time.monotonic() < deadline:
        time.sleep(0.02)
    shown = client.order_details(account, order_id).json()
    now = datetime.now(UTC)
    listed = client.account_orders(account, now - timedelta(days=1), now + timedelta(minutes=1)).json()
    canceled = client.cancel_order(account, order_id).status_code
    streamer.stop()
    return {
        "placed": placed.status_code,
        "order_id": order_id,
        "shown": shown,
        "listed": [row["orderId"] for row in listed],
        "canceled": canceled,
        "ended": client.order_details(account, order_id).json()["status"],
        "quote": sorted(client.quotes(["AAPL"]).json()),
        "told": told,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))  # noqa: T201 - its answer
