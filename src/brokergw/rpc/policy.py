"""What the chain must know of a method: one row each, in `rpc/methods.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from google.protobuf.message import Message

from brokergw.model.errors import UNWRITTEN, GatewayError, Reason
from brokergw.model.principal import Principal, Role, Scope
from brokergw.model.roles import ROLES_OF
from brokergw.rpc.settings import Budget
from brokergw.rpc.wire.found import Found

Decoder: TypeAlias = Callable[[Any, Found], Any]
"""Reads a message into a command, or checks it and gives it back."""

Responder: TypeAlias = Callable[[Any, str], Message]
"""Writes the answer to a mutation from the desk's result and a cursor."""

UNSURE: Final = UNWRITTEN | {Reason.ISSUER_UNAVAILABLE}
"""Refusals that say nothing of a credential: while the record or the issuer is away nobody's is known to be wrong."""

_EVERYBODY: Final = frozenset(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPolicy:
    """One RPC.

    `method` is the full name, `/package.Service/Method`. `public` needs no credential; otherwise one is needed, with
    `scope` if it is set, and one of `roles`: those that may have the scope, unless `only` names fewer. `cost` is what a
    call takes from its budget, `items_max` how many elements all lists of its request may have together. `keyed`
    methods change something at a broker once per idempotency key, and `respond` writes their answer, also for replays.
    What `stops` trading must work while the database does not, so a key that was good lately is good enough for it.
    """

    method: str
    request: type[Message]
    decode: Decoder
    public: bool = False
    scope: Scope | None = None
    only: frozenset[Role] = frozenset()
    items_max: int = 1_000
    budget: Budget = Budget.NONE
    cost: int = 1
    keyed: bool = False
    audited: bool = False
    preflight: bool = False
    streams: bool = False
    stops: bool = False
    respond: Responder | None = None

    @property
    def roles(self) -> frozenset[Role]:
        """Who may call it; one of these is enough."""
        return self.only or (_EVERYBODY if self.scope is None else ROLES_OF[self.scope])

    @property
    def service(self) -> str:
        """The full name of the method's service."""
        return self.method[1:].partition("/")[0]

    @property
    def name(self) -> str:
        """The method's own name."""
        return self.method.rpartition("/")[2]


def require_allowed(policy: MethodPolicy, principal: Principal) -> None:
    """Raise ROLE_MISSING or SCOPE_MISSING unless a method is one for this caller.

    The role comes first: whoever lacks it need not look for another key.
    """
    if principal.roles.isdisjoint(policy.roles):
        raise GatewayError(
            Reason.ROLE_MISSING,
            "the caller has no role that this method is for",
            metadata={"roles": " ".join(sorted(policy.roles))},
        )
    scope = policy.scope
    if scope is not None and scope not in principal.scopes:
        raise GatewayError(Reason.SCOPE_MISSING, "the key does not allow this method", metadata={"scope": scope.value})
