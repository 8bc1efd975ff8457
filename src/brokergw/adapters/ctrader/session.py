"""One account's way to cTrader: sign-in, budgets, and the two kinds of attempt.

A connection proves two things: which application it is (id and secret), and by an access token which accounts it may
use. Of the accounts that the token opens, the one of the connection's environment is taken; where there are several,
`account` among the credentials names its login or its id.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from brokergw.adapters.ctrader.config import CtraderConfig
from brokergw.adapters.ctrader.errors import (
    APPLICATION,
    AWAY,
    FAILURES,
    RATE,
    SESSION,
    judged,
    maintained_s,
    unavailable,
)
from brokergw.adapters.ctrader.messages import ERRORS, Kind
from brokergw.adapters.ctrader.pacing import Pacer
from brokergw.adapters.ctrader.payloads import Message, flag, optional_text, read_frame, write_frame
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import NotSent, Unknown
from brokergw.model.remedy import Remedy
from brokergw.ports.broker import AccessTokens, BrokerLink, Credentials
from brokergw.ports.clock import Clock
from brokergw.ports.permit import Permit
from brokergw.transport.answers import CREDENTIALS, Refusal, Verdict
from brokergw.transport.attempts import other_token
from brokergw.transport.heard_clock import HeardClock
from brokergw.transport.http import NotSentError, UnknownError
from brokergw.transport.rows import Row, Unusable, int64, optional_int64, rows_in
from brokergw.transport.throttle import Spent, Throttle
from brokergw.transport.websocket import LinkError, Wire
from brokergw.transport.ws_calls import CallEvent, CallLink, ask_on

logger = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_REQUESTS_OF_AN_ORDER: Final = 6
_VIEW_ONLY: Final = 0
_MINUTE: Final = 60
_NEEDED: Final = ("client_id", "client_secret")


class Session:
    """Speaks as one account over one websocket (a Dialogue)."""

    def __init__(self, link: BrokerLink, config: CtraderConfig, clock: Clock, heard: HeardClock) -> None:
        self._given, self._tokens = _proofs(link)
        self._live = link.environment is Environment.LIVE
        self._clock = clock
        self.heard_clock = heard
        self._account: Row = {}
        self._token = ""
        self._sessions = 0
        self._refused: GatewayError | None = None
        self._hearers: list[Callable[[Message], None]] = []
        self._on_fresh: list[Callable[[], None]] = []
        per_second = config.requests_per_second
        self._throttle = Throttle(
            None if per_second is None else per_second * _MINUTE,
            monotonic=clock.monotonic,
            pace=link.pace,
            together=_REQUESTS_OF_AN_ORDER,
        )
        self._pacer = Pacer(per_second, clock)
        self._history_pacer = Pacer(config.history_per_second, clock)
        self._calls = CallLink[Message](
            config.url(link.environment),
            self,
            clock=clock,
            policy=config.link,
            answer_s=config.answer_s,
            heard=heard,
        )
        self.view_only = False

    @property
    def up(self) -> bool:
        """Whether the link stands."""
        return self._calls.up

    @property
    def account_id(self) -> int:
        """The account's id, known once the link was up."""
        return int64(self._account, "ctidTraderAccountId")

    @property
    def number(self) -> int:
        """How often the account has been signed in."""
        return self._sessions

    @property
    def login(self) -> str:
        """The account's number at the broker."""
        return str(optional_int64(self._account, "traderLogin") or self.account_id)

    def hear(self, hearer: Callable[[Message], None]) -> None:
        """Let a part of this room take notice of every message."""
        self._hearers.append(hearer)

    def on_fresh_link(self, act: Callable[[], None]) -> None:
        """Let a part of this room know that whatever was subscribed to is not any more."""
        self._on_fresh.append(act)

    def events(self) -> AsyncGenerator[CallEvent[Message], None]:
        """Tell what happens on the link."""
        return self._calls.events()

    def drop(self, why: str) -> None:
        """Give the present link up; it is renewed."""
        self._calls.drop(why)

    def unclear(self, words: str) -> None:
        """Log that a message cannot be told; too many of them cost the link."""
        self._calls.unclear(words)

    async def close(self) -> None:
        """Send nothing any more, and forget what proves us; may be called again."""
        await self._calls.close()
        self._given, self._tokens, self._token = None, None, ""

    async def ready(self) -> NotSent | None:
        """Wait until the account is signed in; gives why it is not."""
        try:
            await self._calls.ready()
        except NotSentError as error:
            return self._not_sent(error)
        return None

    async def command(
        self, kind: Kind, payload: Mapping[str, Any], permit: Permit | None = None, *, cancel: bool = False
    ) -> Message | NotSent | Unknown:
        """Make one attempt at something that changes the account; gives the first answer, whatever it says.

        What was thrown away because the session was not signed in, or not any more, is tried once more where no permit
        forbids it; under a permit it is not sent.
        """
        frame = _Frame(self, kind, payload)
        reply = await self._commanded(frame, permit, cancel=cancel)
        if not await self._welcome_again(reply, frame):
            return reply
        if permit is None:
            reply = await self._commanded(frame, permit, cancel=cancel)
            if not await self._welcome_again(reply, frame):
                return reply
        return NotSent.by(FAILURES.session_changed())

    async def query(
        self, kind: Kind, answer: Kind, payload: Mapping[str, Any] | None = None, *, history: bool = False
    ) -> Row | Refusal:
        """Ask for something; gives the answer's payload, or a refusal that is about what was asked for.

        A link that was lost under the question is tried once more, and so is a session that had ended. Raises
        Throttled, BROKER_CREDENTIALS_REFUSED or BrokerUnavailable.
        """
        frame = _Frame(self, kind, payload or {})
        try:
            message = await self._asked(frame, history=history)
            if await self._welcome_again(message, frame):
                message = await self._asked(frame, history=history)
                await self._welcome_again(message, frame)
        except Spent as error:
            raise FAILURES.throttled(error.retry_after_s) from error
        except NotSentError as error:
            raise self._refused or unavailable(Reason.BROKER_UNREACHABLE, str(error)) from error
        except UnknownError as error:
            raise unavailable(Reason.BROKER_UNREACHABLE, str(error)) from error
        if message.kind == answer:
            return message.payload
        if message.kind not in ERRORS:
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"message {message.kind} where {answer} was due")
        refusal = judged(message.payload)
        if refusal.reason == AWAY:
            refusal = replace(refusal, retry_after_s=maintained_s(message.payload, self._clock.now_ns()))
        return self._about(refusal)

    # The dialogue

    async def greet(self, wire: Wire) -> None:
        """Sign the application and the account in; raises LinkError."""
        try:
            await self._sign_in(wire)
        except GatewayError as error:
            self._refused = error
            raise LinkError(error.message) from error
        except Unusable as error:
            raise LinkError(f"the greeting was answered with something else: {error}") from error
        self._refused = None
        for act in self._on_fresh:
            act()

    def read(self, data: str | bytes) -> tuple[str, Message]:
        """Read a frame."""
        message = read_frame(data)
        return message.answers, message

    def heard(self, message: Message) -> None:
        """Notice what ends a session: a token that is dead, an account or a client that is signed out."""
        match message.kind:
            case Kind.TOKEN_INVALIDATED_EVENT:
                self._token = ""
                self._calls.leave("the access token was invalidated")
            case Kind.ACCOUNT_DISCONNECT_EVENT:
                self._calls.leave("the account was signed out")
            case Kind.CLIENT_DISCONNECT_EVENT:
                self.drop(f"the client was signed out: {optional_text(message.payload, 'reason')[:100]}")
        for hearer in self._hearers:
            hearer(message)

    def beat(self) -> Sequence[str]:
        """Say that we are there, and ask something that is answered at once."""
        return (write_frame(Kind.HEARTBEAT, {}, ""), write_frame(Kind.VERSION_REQ, {}, ""))

    async def _sign_in(self, wire: Wire) -> None:
        given = self._given
        if given is None:
            raise LinkError("the connection is closed")
        proof = {"clientId": given["client_id"], "clientSecret": given["client_secret"]}
        await self._greeted(wire, Kind.APPLICATION_AUTH_REQ, Kind.APPLICATION_AUTH_RES, proof)
        token = await self._current_token()
        try:
            await self._sign_account_in(wire, token)
        except GatewayError as error:
            refused = error.reason is Reason.BROKER_CREDENTIALS_REFUSED
            other = await other_token(self._tokens, token) if refused else None
            if other is None:
                raise
            await self._sign_account_in(wire, other)

    async def _sign_account_in(self, wire: Wire, token: str) -> None:
        if not self._account:
            answer = await self._greeted(
                wire, Kind.ACCOUNTS_OF_TOKEN_REQ, Kind.ACCOUNTS_OF_TOKEN_RES, {"accessToken": token}
            )
            self._account = self._chosen(rows_in(answer, "ctidTraderAccount"))
            scope = optional_int64(answer, "permissionScope")
            self.view_only = scope == _VIEW_ONLY and scope is not None
        await self._greeted(
            wire,
            Kind.ACCOUNT_AUTH_REQ,
            Kind.ACCOUNT_AUTH_RES,
            {"ctidTraderAccountId": self.account_id, "accessToken": token},
        )
        self._token = token
        self._sessions += 1

    def _chosen(self, accounts: Sequence[Row]) -> Row:
        """Choose the account: the only one of the environment, or the one that the credentials name."""
        named = "" if self._given is None else self._given.get("account", "")
        fit = [row for row in accounts if flag(row, "isLive") is self._live]
        if named:
            fit = [row for row in fit if named in {str(row.get("traderLogin")), str(row.get("ctidTraderAccountId"))}]
        if len(fit) == 1:
            return fit[0]
        world = "live" if self._live else "demo"
        if not fit:
            raise FAILURES.not_usable(f"the token opens no such {world} account")
        ends = ", ".join(sorted(f"****{str(row.get('traderLogin'))[-4:]}" for row in fit))
        raise FAILURES.not_usable(f"the token opens {len(fit)} {world} accounts ({ends}): authorise it for one of them")

    async def _greeted(self, wire: Wire, kind: Kind, answer: Kind, payload: Mapping[str, Any]) -> Row:
        name = f"sign-in-{int(kind)}"
        message = await ask_on(wire, self, name, write_frame(kind, payload, name))
        if message.kind == answer:
            return message.payload
        if message.kind not in ERRORS:
            raise LinkError(f"the greeting was answered with message {message.kind}")
        refusal = judged(message.payload)
        if refusal.reason in {CREDENTIALS, APPLICATION, "ACCOUNT_UNKNOWN"}:
            raise credentials_refused(refusal)
        raise LinkError(f"the greeting was refused: {refusal.code}")

    async def _current_token(self) -> str:
        if self._tokens is not None:
            return await self._tokens.current()
        return "" if self._given is None else self._given.get("access_token", "")

    # Attempts

    async def _commanded(self, frame: "_Frame", permit: Permit | None, *, cancel: bool) -> Message | NotSent | Unknown:
        try:
            await self._calls.ready()
            self._throttle.take(cancel=cancel)
            await self._pacer.wait()
            return await self._calls.call(frame.write, permit)
        except Spent as spent:
            return NotSent(str(spent), spent.retry_after_s, Reason.BROKER_RATE_LIMITED)
        except NotSentError as error:
            return self._not_sent(error)
        except UnknownError as error:
            return Unknown(str(error))

    async def _asked(self, frame: "_Frame", *, history: bool) -> Message:
        await self._calls.ready()
        self._throttle.take()
        await (self._history_pacer if history else self._pacer).wait()
        try:
            return await self._calls.call(frame.write)
        except UnknownError as error:
            if not error.stale:
                raise
            # The link was lost under the question, which changes nothing at cTrader.
            return await self._calls.call(frame.write)

    async def _welcome_again(self, reply: Message | NotSent | Unknown, frame: "_Frame") -> bool:
        """Do what a refusal asks for: wait, sign in again, get another token.

        Tells whether what was refused came to nothing but a session that had ended, and can be sent in another one.
        """
        if not isinstance(reply, Message) or reply.kind not in ERRORS:
            return False
        refusal = judged(reply.payload)
        if refusal.reason == RATE:
            known = refusal.retry_after_s is not None
            self._throttle.ban(refusal.retry_after_s or _RETRY_S, cancels=known)
        if refusal.reason not in {SESSION, CREDENTIALS}:
            return False
        if frame.session != self._sessions:
            # It was answered late: the account is signed in anew since.
            return True
        under = self._token
        self._calls.leave("the access token was refused" if refusal.reason == CREDENTIALS else "the session has ended")
        if refusal.reason == SESSION or not under:
            return True
        try:
            return await other_token(self._tokens, under) is not None
        except GatewayError:
            # None is to be had at the moment; what the next sign-in says stands then.
            return True

    def _about(self, refusal: Refusal) -> Refusal:
        """Raise what is about the connection; give back what is about the question."""
        if refusal.reason in {CREDENTIALS, APPLICATION}:
            raise credentials_refused(refusal)
        if refusal.reason == SESSION:
            raise unavailable(Reason.BROKER_UNREACHABLE, "the session is being signed in again")
        if refusal.reason == RATE:
            raise FAILURES.throttled(refusal.retry_after_s or _RETRY_S)
        if refusal.reason == AWAY:
            raise unavailable(Reason.BROKER_UNREACHABLE, refusal.code, refusal.retry_after_s)
        if refusal.verdict is Verdict.UNKNOWN:
            raise unavailable(Reason.BROKER_ANSWER_UNUSABLE, f"{refusal.code} {refusal.message}")
        return refusal

    def _not_sent(self, error: NotSentError) -> NotSent:
        return NotSent(str(error)) if self._refused is None else NotSent.by(self._refused)


class _Frame:
    """One request as it is written, and in which of the account's sessions it was sent last."""

    def __init__(self, by: Session, kind: Kind, payload: Mapping[str, Any]) -> None:
        self._by = by
        self._kind = kind
        self._payload = payload
        self.session = 0

    def write(self, correlation: str) -> str:
        """Write it for the session of the moment."""
        self.session = self._by.number
        return write_frame(self._kind, {"ctidTraderAccountId": self._by.account_id, **self._payload}, correlation)


def _proofs(link: BrokerLink) -> tuple[Credentials | None, AccessTokens | None]:
    given = link.credentials
    needed = _NEEDED if link.tokens is not None else (*_NEEDED, "access_token")
    if given is None or any(not given.get(name) for name in needed):
        raise FAILURES.not_usable("a cTrader connection needs its application's id and secret, and an authorization")
    return given, link.tokens


def credentials_refused(refusal: Refusal) -> GatewayError:
    """Make the error of a refused application, token or account."""
    what = "the application" if refusal.reason == APPLICATION else "the access token"
    return FAILURES.credentials_refused(what, refusal, Remedy.AUTHORIZE_AGAIN)
