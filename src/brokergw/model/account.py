"""Accounts, positions and transactions as a broker reports them."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum, unique

from brokergw.model.instrument import AssetClass
from brokergw.model.quick import quick


@unique
class Environment(StrEnum):
    """Whether money is real."""

    MOCK = "MOCK"
    PAPER = "PAPER"
    LIVE = "LIVE"


@quick
@dataclass(frozen=True, slots=True)
class Balance:
    """Holdings of one asset, in its own units."""

    asset: str
    total: Decimal
    available: Decimal
    locked: Decimal


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """An account as of the broker's reply; money in `currency`.

    `masked_number` shows at most the last four characters of the broker's account number. `last_close_equity` is what
    the equity was when the session before ended, None where the broker does not tell. `close_only` says that the broker
    takes nothing but what makes a position smaller, `hedged` that each symbol has a long and a short position beside
    each other, so that an order must say whether it opens or closes.
    """

    masked_number: str
    currency: str
    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    balances: tuple[Balance, ...]
    trading_blocked: bool
    shorting_enabled: bool
    multiplier: Decimal
    as_of_ns: int
    last_close_equity: Decimal | None = None
    close_only: bool = False
    hedged: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A holding as of the broker's reply: signed quantity, short is negative.

    `available_quantity` is what no open order holds. Values are None where the broker gives none. `parts` are the
    broker's own positions that this is the sum of, where it keeps several in one symbol, each closed by itself. They
    may stand against each other, and then even sum up to nothing. In hedge mode they are called LONG and SHORT, and
    told also where there is but one.
    """

    symbol: str
    asset_class: AssetClass
    quantity: Decimal
    available_quantity: Decimal
    average_price: Decimal | None
    cost_basis: Decimal | None
    market_price: Decimal | None
    market_value: Decimal | None
    unrealized_profit: Decimal | None
    as_of_ns: int
    parts: tuple["PositionPart", ...] = ()

    def alone(self, part: "PositionPart") -> "Position":
        """Give one of its parts as a position by itself; what the broker tells of the whole alone is left out."""
        return replace(
            self,
            quantity=part.quantity,
            available_quantity=abs(part.quantity),
            average_price=part.average_price,
            cost_basis=part.quantity * part.average_price,
            market_value=None,
            unrealized_profit=None,
            parts=(),
        )


@dataclass(frozen=True, slots=True)
class PositionPart:
    """One of several positions that a broker keeps in one symbol: its own id, signed quantity, and price a unit."""

    part_id: str
    quantity: Decimal
    average_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One line of the broker's account history.

    `kind` is FILL, DIVIDEND, FEE, INTEREST, DEPOSIT, WITHDRAWAL, TRANSFER, OPTION_EVENT, CORPORATE_ACTION or
    OTHER; `broker_kind` the broker's own word. `net_amount` is signed cash, None where the broker gives none.
    """

    transaction_id: str
    kind: str
    broker_kind: str
    time_ns: int
    symbol: str = ""
    quantity: Decimal | None = None
    price: Decimal | None = None
    net_amount: Decimal | None = None
    currency: str = ""
    description: str = ""
    broker_order_id: str = ""


@unique
class ConnectionHealth(StrEnum):
    """How a connection fares."""

    CONNECTING = "CONNECTING"
    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    REAUTHORIZATION_REQUIRED = "REAUTHORIZATION_REQUIRED"
    REVOKED = "REVOKED"
    ERROR = "ERROR"


@unique
class BrokerRevocation(StrEnum):
    """What became at the broker of tokens that are destroyed here.

    NOTHING: there were none. ASKED: it is being asked, or whoever asked has died. UNANSWERED: it gave no usable answer
    in time. UNREADABLE: they did not open, so that nobody could name them to it.
    """

    NOTHING = ""
    NOT_OFFERED = "NOT_OFFERED"
    ASKED = "ASKED"
    ENDED = "ENDED"
    REFUSED = "REFUSED"
    UNANSWERED = "UNANSWERED"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A user's link to a broker, and the account behind it; never holds a secret.

    `has_key` and `key_last_four` are all that is ever shown of the credentials; `credentials_version` rises with each
    change of them, and is 0 where there never were any. `label` is the user's own name for it. `broker_revocation` is
    about the tokens that it had last and has no more.
    """

    connection_id: str
    user_id: str
    broker: str
    environment: Environment
    account_id: str
    account_label: str
    has_key: bool
    key_last_four: str
    create_time_ns: int
    revoke_time_ns: int | None = None
    credentials_version: int = 0
    label: str = ""
    broker_revocation: BrokerRevocation = BrokerRevocation.NOTHING

    @property
    def revoked(self) -> bool:
        """Whether the connection may no longer be used."""
        return self.revoke_time_ns is not None
