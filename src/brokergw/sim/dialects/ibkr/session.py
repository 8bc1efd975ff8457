"""The gateway's two sessions: the person's login, and the brokerage session upon it that idles out.

Client Portal API, Session Management: everything needs the login, `/iserver` the brokerage session too, and one user
has one brokerage session at a time. A brokerage session begins with cold caches.
"""

import uuid
from collections import deque
from typing import Final

from brokergw.sim.dialects.ibkr.options import SECOND_NS, IbkrOptions
from brokergw.sim.dialects.ibkr.refusals import ApiError, accounts_first, no_bridge

_PER_SECOND: Final = 10
_LIST_EVERY_NS: Final = 5 * SECOND_NS
_LISTS: Final = ("/iserver/account/orders", "/iserver/account/trades")
_WITHOUT_BROKERAGE: Final = ("/iserver/auth/", "/iserver/reauthenticate")
_AFTER_ACCOUNTS: Final = ("/iserver/account/", "/iserver/marketdata/", "/iserver/reply/")
_LOGIN_TYPE: Final = {False: 1, True: 2}


class GatewaySession:
    """Who is logged in, whether the brokerage session lives, and what has been asked in it."""

    def __init__(self, options: IbkrOptions) -> None:
        self._options = options
        self.session_id = uuid.uuid4().hex
        self.logged_in = options.logged_in
        self.authenticated = options.logged_in
        self.competing = False
        self.asked: set[str] = set()
        self.suppressed: set[str] = set()
        self._heard_ns = self._login_ns = options.now_ns()
        self._recent: deque[int] = deque(maxlen=_PER_SECOND)
        self._listed_ns: dict[str, int] = {}
        self._boxed_until_ns = 0

    def log_in(self) -> None:
        """Pass the login page, as a person does."""
        self.logged_in = True
        self.session_id = uuid.uuid4().hex
        self._login_ns = self._options.now_ns()
        self.init()

    def log_out(self) -> None:
        """End both sessions."""
        self.logged_in = self.authenticated = False

    def init(self, *, compete: bool = True) -> None:
        """Begin the brokerage session anew; without `compete` a session elsewhere keeps it from beginning."""
        if self.competing and not compete:
            return
        self.competing = False
        self.authenticated = True
        self.asked.clear()
        self.suppressed.clear()

    def idle_out(self) -> None:
        """Let the brokerage session die of silence; the login stays."""
        self.authenticated = False

    def elsewhere(self) -> None:
        """Let the same user begin a session somewhere else, which takes this one's place."""
        self.competing, self.authenticated = True, False

    def first(self, what: str) -> bool:
        """Tell whether something is asked for the first time in this brokerage session."""
        if what in self.asked:
            return False
        self.asked.add(what)
        return True

    def admit(self, path: str) -> None:
        """Let a request pass; raises ApiError."""
        now = self._options.now_ns()
        self._expire(now)
        if self._options.paced:
            self._count(path, now)
        self._heard_ns = now
        if not self.logged_in:
            raise ApiError(401, "Unauthorized")
        if path.startswith("/iserver/") and not path.startswith(_WITHOUT_BROKERAGE):
            if not self.authenticated:
                raise no_bridge()
            if path.startswith(_AFTER_ACCOUNTS) and "accounts" not in self.asked:
                raise accounts_first()
        if (
            path.startswith(("/portfolio/", "/portfolio2/"))
            and path != "/portfolio/accounts"
            and "portfolio" not in self.asked
        ):
            raise accounts_first()

    def status(self) -> dict[str, object]:
        """Describe the brokerage session as `/iserver/auth/status` does."""
        return {
            "authenticated": self.authenticated,
            "established": self.authenticated,
            "competing": self.competing,
            "connected": self.logged_in,
            "message": "",
            "MAC": "98:F2:B3:23:BF:A0",
            "serverInfo": {"serverName": "Simulated", "serverVersion": "Build 10.44.1d"},
            "hardware_info": "00000000|00:00:00:00:00:00",
            "fail": "",
        }

    def tickle(self) -> dict[str, object]:
        """Answer a keep-alive."""
        left_ms = self._login_ns // 1_000_000 + round(self._options.login_s * 1000) - self._heard_ns // 1_000_000
        return {
            "session": self.session_id,
            "ssoExpires": left_ms,
            # The broker spells it so.
            "collission": self.competing,
            "userId": 123456789,
            "hmds": {"error": "no bridge"},
            "iserver": {"authStatus": self.status()},
        }

    def validate(self) -> dict[str, object]:
        """Describe the login."""
        return {
            "USER_ID": 123456789,
            "USER_NAME": self._options.username,
            "RESULT": True,
            "AUTH_TIME": self._login_ns // 1_000_000,
            "EXPIRES": self._login_ns // 1_000_000 + round(self._options.login_s * 1000),
            "LOGIN_TYPE": _LOGIN_TYPE[self._options.paper],
        }

    def _expire(self, now: int) -> None:
        if now - self._login_ns >= self._options.login_s * SECOND_NS:
            self.log_out()
        if now - self._heard_ns >= self._options.idle_s * SECOND_NS:
            self.idle_out()

    def _count(self, path: str, now: int) -> None:
        lists = path.rstrip("/")
        too_soon = lists in _LISTS and now - self._listed_ns.get(lists, 0) < _LIST_EVERY_NS
        full = len(self._recent) == _PER_SECOND and now - self._recent[0] < SECOND_NS
        if now < self._boxed_until_ns:
            raise ApiError(429, "Too many requests", coded=True)
        if too_soon or full:
            self._boxed_until_ns = now + round(self._options.penalty_s * SECOND_NS)
            raise ApiError(429, "Too many requests", coded=True)
        self._recent.append(now)
        if lists in _LISTS:
            self._listed_ns[lists] = now
