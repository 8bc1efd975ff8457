"""Schwab's streamer: how one logs in and subscribes to account activity, and what its frames say.

Sources: Schwab's Streamer guide; the clients schwab-py and schwabdev. One user has one connection; a second one ends
the first with code 12.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from brokergw.adapters.schwab.api import Api
from brokergw.adapters.schwab.session import Session
from brokergw.model.errors import GatewayError
from brokergw.transport.rows import Row, Unusable, as_row, as_rows, optional_text, read_json, rows_in, text
from brokergw.transport.websocket import LinkError, Wire

_ACTIVITY: Final = "ACCT_ACTIVITY"
_SUBSCRIBED: Final = frozenset({0, 26})
"""The guide has 26 for a subscription that succeeded; schwab-py works with 0 only."""

_REFUSALS: Final = {
    3: "the login was denied",
    11: "the service is not available",
    12: "another connection of this user took its place",
    19: "there are too many subscriptions",
    20: "the login was lost",
    30: "Schwab stopped the stream",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What a frame says: that something happened in the account, or why the stream is of no use any more.

    `unclear` is why nobody can tell.
    """

    activity: bool = False
    ended: str = ""
    unclear: str = ""


class Streamer:
    """Opens the stream of one connection; where it is, Schwab says anew each time."""

    def __init__(self, api: Api, session: Session) -> None:
        self._api = api
        self._session = session
        self._info: Row = {}

    async def locate(self) -> str:
        """Ask where the streamer is, and as whom to log in; raises LinkError."""
        try:
            await self._api.learn_account()
            preferences = await self._api.preferences()
            self._info = as_row((rows_in(preferences, "streamerInfo") or [{}])[0])
            return text(self._info, "streamerSocketUrl")
        except (GatewayError, Unusable) as error:
            raise LinkError(str(error)) from error

    async def greet(self, wire: Wire) -> None:
        """Log in and subscribe; raises LinkError when either is refused."""
        try:
            token = await self._session.token()
        except GatewayError as error:
            raise LinkError(error.message) from error
        parameters = {
            "Authorization": token,
            "SchwabClientChannel": optional_text(self._info, "schwabClientChannel"),
            "SchwabClientFunctionId": optional_text(self._info, "schwabClientFunctionId"),
        }
        code = await self._ask(wire, "0", "ADMIN", "LOGIN", parameters)
        if code != 0:
            with suppress(GatewayError):
                await self._session.has_another(token)
            raise LinkError(_why(code))
        keys = {"keys": optional_text(self._info, "schwabClientCorrelId"), "fields": "0,1,2,3"}
        code = await self._ask(wire, "1", _ACTIVITY, "SUBS", keys)
        if code not in _SUBSCRIBED:
            raise LinkError(_why(code))

    def read(self, data: str | bytes) -> Heard:
        """Read a frame; one that makes no sense is taken for a sign that something happened."""
        try:
            message = as_row(read_json(data))
            for response in rows_in(message, "response"):
                code = as_row(response.get("content")).get("code")
                if code not in _SUBSCRIBED:
                    return Heard(ended=_why(code))
            contents = [
                content
                for each in rows_in(message, "data")
                if each.get("service") == _ACTIVITY
                for content in rows_in(each, "content")
            ]
            return Heard(activity=any(self._concerns(content) for content in contents))
        except Unusable as error:
            return Heard(activity=True, unclear=str(error))

    def _concerns(self, content: Row) -> bool:
        """Tell whether an item is about the account, as far as it says which one it is about."""
        account = optional_text(content, "1")
        return content.get("2") != "SUBSCRIBED" and account in {"", self._api.account_number}

    async def _ask(self, wire: Wire, name: str, service: str, command: str, parameters: dict[str, str]) -> object:
        request = {
            "service": service,
            "requestid": name,
            "command": command,
            "SchwabClientCustomerId": optional_text(self._info, "schwabClientCustomerId"),
            "SchwabClientCorrelId": optional_text(self._info, "schwabClientCorrelId"),
            "parameters": parameters,
        }
        await wire.send(json.dumps({"requests": [request]}))
        while True:
            try:
                raw = await wire.receive()
                message = as_row(read_json(raw))
                for response in as_rows(message.get("response") or []):
                    if str(response.get("requestid")) == name:
                        return as_row(response.get("content")).get("code")
            except Unusable as error:
                raise LinkError(f"the greeting was answered with something else: {error}") from error


def _why(code: object) -> str:
    words = _REFUSALS.get(code, "the streamer refused") if isinstance(code, int) else "the streamer refused"
    return f"{words} (code {code})"
