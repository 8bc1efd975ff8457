"""What happens to an account without an order of its own: trades made by hand or elsewhere, fees, money in and out."""

from decimal import Decimal

from brokergw.exchange.book import WorkingOrder
from brokergw.exchange.floor import Floor
from brokergw.exchange.matching import Matcher
from brokergw.exchange.refusals import RefusalCode, Refused
from brokergw.exchange.values import ZERO, OrderStatus


def execute(
    floor: Floor, matcher: Matcher, order: WorkingOrder, quantity: Decimal | None, price: Decimal | None
) -> None:
    """Trade an open order now, whatever the market says; raises NOT_OPEN, or INVALID_TERMS for more than is left."""
    if not order.is_open or order.status is OrderStatus.HELD:
        raise Refused(RefusalCode.NOT_OPEN, f"the order is {order.status.value}", status=order.status.value)
    if quantity is not None and quantity > order.leaves:
        raise Refused(RefusalCode.INVALID_TERMS, "quantity is above what is left of the order", field="quantity")
    depth = floor.market.quote(order.listing.symbol)
    at = price if price is not None else depth.ask if order.buys else depth.bid
    matcher.trade(order, at, quantity if quantity is not None else order.leaves)


def adjust(floor: Floor, account_id: str, symbol: str, change: Decimal) -> Decimal:
    """Change a position at no cost, as a split does, and give the quantity after it."""
    position = floor.account(account_id).position(floor.market.path(symbol).listing)
    cost = position.quantity * position.average_price
    position.quantity += change
    position.average_price = cost / position.quantity if position.quantity else ZERO
    return position.quantity


def book(floor: Floor, account_id: str, symbol: str, quantity: Decimal, price: Decimal) -> Decimal:
    """Book a trade made outside the exchange's own orders, signed, and give the position after it."""
    account = floor.account(account_id)
    listing = floor.market.path(symbol).listing
    position = account.position(listing)
    position.apply(quantity, price)
    account.cash -= quantity * price * listing.contract_size
    return position.quantity


def pay(floor: Floor, account_id: str, money: Decimal) -> Decimal:
    """Move an account's cash, and give what it is after that."""
    account = floor.account(account_id)
    account.cash += money
    return account.cash


def take_coins(floor: Floor, account_id: str, symbol: str, quantity: Decimal) -> None:
    """Take a fee from a position of coins, whose average price it leaves alone."""
    floor.account(account_id).position(floor.market.path(symbol).listing).quantity -= quantity
