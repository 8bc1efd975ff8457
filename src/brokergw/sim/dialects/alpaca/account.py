"""The account and its configuration (Alpaca docs, Account and Account Configurations)."""

from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import Ledger
from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca.call import Call
from brokergw.sim.dialects.alpaca.refusals import malformed
from brokergw.sim.dialects.alpaca.room import Room
from brokergw.sim.dialects.alpaca.shapes import JsonObject, cents, text, timestamp
from brokergw.sim.new_york import new_york_day

_TWO: Final = Decimal(2)
_CHOICES: Final[dict[str, frozenset[Any]]] = {
    "dtbp_check": frozenset({"both", "entry", "exit"}),
    "pdt_check": frozenset({"both", "entry", "exit"}),
    "trade_confirm_email": frozenset({"all", "none"}),
    "max_margin_multiplier": frozenset({"1", "2", "4"}),
    "max_options_trading_level": frozenset({None, 0, 1, 2, 3}),
    "suspend_trade": frozenset({True, False}),
    "no_shorting": frozenset({True, False}),
    "fractional_trading": frozenset({True, False}),
    "ptp_no_exception_entry": frozenset({True, False}),
    "disable_overnight_trading": frozenset({True, False}),
}


def get(call: Call) -> JsonObject:
    """Handle GET /v2/account."""
    ledger = call.brokerage.exchange.account(call.room.account_id)
    shape = _shape(call.room, ledger, call.brokerage.last_equity(call.room))
    if call.brokerage.options.legacy_account_fields:
        shape |= {
            "pattern_day_trader": False,
            "daytrade_count": 0,
            "daytrading_buying_power": cents(ledger.buying_power),
            "last_daytrade_count": 0,
        }
    return shape


def _shape(room: Room, ledger: Ledger, last_equity: str) -> JsonObject:
    buying_power, equity = cents(ledger.buying_power), cents(ledger.equity)
    free = cents(ledger.non_marginable_buying_power)
    # Regulation T lends as much again as is owned overnight.
    overnight = cents(min(ledger.buying_power, (ledger.equity - ledger.initial_margin) * min(ledger.multiplier, _TWO)))
    return {
        "id": room.account_id,
        "admin_configurations": {},
        "user_configurations": None,
        "account_number": room.number,
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "options_approved_level": 3,
        "options_trading_level": 3,
        "currency": "USD",
        "buying_power": buying_power,
        "effective_buying_power": buying_power,
        "regt_buying_power": overnight,
        "non_marginable_buying_power": free,
        "options_buying_power": free,
        "cash": cents(ledger.cash),
        "accrued_fees": "0",
        "portfolio_value": equity,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "created_at": timestamp(room.create_time_ns),
        "trade_suspended_by_user": room.configurations["suspend_trade"],
        "multiplier": text(ledger.multiplier),
        "shorting_enabled": ledger.shorting and not room.configurations["no_shorting"],
        "equity": equity,
        "last_equity": last_equity,
        "long_market_value": cents(ledger.long_market_value),
        "short_market_value": cents(ledger.short_market_value),
        "position_market_value": cents(ledger.long_market_value + abs(ledger.short_market_value)),
        "initial_margin": cents(ledger.initial_margin),
        "maintenance_margin": cents(ledger.maintenance_margin),
        "last_maintenance_margin": "0",
        "sma": equity,
        "balance_asof": new_york_day(ledger.time_ns).isoformat(),
        "crypto_tier": 1,
        "intraday_adjustments": "0",
        "pending_reg_taf_fees": "0",
    }


def get_configurations(call: Call) -> JsonObject:
    """Handle GET /v2/account/configurations."""
    return call.room.configurations


def set_configurations(call: Call) -> JsonObject:
    """Handle PATCH /v2/account/configurations: fields that are absent or null stay as they are."""
    changes = {name: value for name, value in read.document(call.request.body).items() if value is not None}
    for name, value in changes.items():
        choices = _CHOICES.get(name)
        # True equals 1 and False equals 0, so the type is compared as well.
        if choices is None or not any(value == one and type(value) is type(one) for one in choices):
            raise malformed(f"invalid {name}")
    call.room.configurations.update(changes)
    return call.room.configurations
