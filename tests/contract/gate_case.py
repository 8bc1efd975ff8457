"""One way to a gate's refusal, as a row of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from brokerapi.v1 import trading_pb2
from grpc import StatusCode

from brokergw.model.account import Environment
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass
from tests.contract import gate_acts as acts
from tests.fixtures.market_hours import STRICT

D = Decimal
S = 1_000_000_000
DENIED: Final = (StatusCode.FAILED_PRECONDITION, "NEW_KEY")
FORBIDDEN: Final = (StatusCode.PERMISSION_DENIED, "NEW_KEY")
MALFORMED: Final = (StatusCode.INVALID_ARGUMENT, "NEW_KEY")
LATER: Final = (StatusCode.UNAVAILABLE, "SAME_KEY")
NEW_YORK: Final = {AssetClass.STOCK: STRICT}
LIVE: Final = {"environment": Environment.LIVE}
SELL: Final = {"side": trading_pb2.SIDE_SELL}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to a refusal: the `world` it happens in, what goes `before`, `order` and `call`, and what is read then.

    `gate` is the gate that denies, empty where the order could not be judged, or was refused before any gate: then the
    key is not used up. `answer` is the gRPC code and the key of a retry; `facts` are metadata that must be there.
    """

    reason: Reason
    gate: str = ""
    answer: tuple[StatusCode, str] = DENIED
    facts: Mapping[str, str] = field(default_factory=dict)
    world: Mapping[str, Any] = field(default_factory=dict)
    before: acts.Act | None = None
    order: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.reason.value


def at_limit(name: str, limit: str, used: str, requested: str, source: str = "USER") -> dict[str, str]:
    """Give what a denial tells of a limit that is reached."""
    return {"limit_name": name, "source": source, "limit": limit, "used": used, "requested": requested}
