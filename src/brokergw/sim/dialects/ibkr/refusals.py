"""How the gateway says no: mostly `{"error": "..."}`, and mostly with status 200.

The words of refused orders are those of the broker's order rejections as users report them; the statuses are the
documentation's (Client Portal API, Place Order, Cancel Order, Order Reply).
"""

from typing import Final

from brokergw.exchange import RefusalCode, Refused
from brokergw.sim.wire import WireReply, encode_json

_WORDS: Final = {401: "Unauthorized", 429: "Too many requests", 500: "Internal Server Error", 502: "Bad Gateway"}


class ApiError(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, status: int, words: str, *, coded: bool = False) -> None:
        super().__init__(words)
        self.status = status
        self.document: dict[str, object] = {"error": words}
        if coded:
            self.document["statusCode"] = status

    def reply(self) -> WireReply:
        """Encode it."""
        return WireReply(self.status, encode_json(self.document))


def failure(status: int) -> WireReply:
    """Word a failure that has no words of its own."""
    return ApiError(status, _WORDS.get(status, "Service Unavailable"), coded=status != 401).reply()


def no_bridge() -> ApiError:
    """The brokerage session is not there."""
    return ApiError(400, "Bad Request: no bridge", coded=True)


def accounts_first() -> ApiError:
    """The list of accounts was not asked for in this session."""
    return ApiError(400, "Bad Request: Please query /accounts first", coded=True)


def bad_account(account_id: str) -> ApiError:
    """The account is not this user's."""
    return ApiError(400, f"Bad Request: accountId is not valid: {account_id}", coded=True)


def missing_order(order_id: str) -> ApiError:
    """There is no such order."""
    return ApiError(400, f"OrderID {order_id} doesn't exist")


def duplicate(client_order_id: str) -> ApiError:
    """The client order id is taken."""
    return ApiError(
        200, f"Order couldn't be submitted: Local order ID={client_order_id} is already registered."
    )  # fmt: skip


def from_exchange(refused: Refused, client_order_id: str = "") -> ApiError:
    """Put a refusal of the exchange into the broker's words."""
    match refused.code:
        case RefusalCode.DUPLICATE_CLIENT_ORDER_ID:
            return duplicate(client_order_id)
        case RefusalCode.INSUFFICIENT_BUYING_POWER:
            equity, margin = refused.facts.get("buying_power"), refused.facts.get("cost_basis")
            words = (
                "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE "
                f"[{equity} USD] MUST EXCEED THE INITIAL MARGIN [{margin} USD]"
            )
            return ApiError(200, words)
        case RefusalCode.NOT_TRADABLE:
            return ApiError(200, "No trading permissions.")
        case RefusalCode.OFF_TICK:
            return ApiError(200, "The price does not conform to the minimum price variation for this contract.")
        case RefusalCode.SHORT_NOT_ALLOWED:
            return ApiError(200, "Order rejected - reason:The contract is not available for short sale")
        case RefusalCode.NOT_OPEN | RefusalCode.NOT_REPLACEABLE:
            return ApiError(400, "Order is inactive")
        case _:
            return ApiError(200, f"Order rejected - reason:{refused.message}")
