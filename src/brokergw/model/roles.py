"""Which scopes each role allows, and what of a credential's scopes is left for the user that has it."""

from collections.abc import Iterable, Mapping
from typing import Final

from brokergw.model.account import Environment
from brokergw.model.principal import OPERATORS, Role, Scope

_EVERYBODYS: Final = OPERATORS | {Scope.KEYS_READ, Scope.AUDIT_READ}

SCOPES_OF: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.USER: (frozenset(Scope) - OPERATORS) | {Scope.KEYS_WRITE},
    Role.OPERATOR: frozenset(
        {Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE, Scope.ADMIN_READ, Scope.ADMIN_WRITE, Scope.AUDIT_READ}
    ),
    Role.RISK_OFFICER: frozenset({Scope.OPERATIONS_READ, Scope.ADMIN_READ, Scope.ADMIN_WRITE, Scope.AUDIT_READ}),
    Role.ADMIN: _EVERYBODYS,
}
"""What each role may be given; which of the methods behind a scope it may call stands in each method's policy."""

ROLES_OF: Final[Mapping[Scope, frozenset[Role]]] = {
    scope: frozenset(role for role, scopes in SCOPES_OF.items() if scope in scopes) for scope in Scope
}
"""The roles that a scope may be given to."""

BEYOND_AN_ACCOUNT: Final = OPERATORS | {Scope.KEYS_READ, Scope.CONNECTIONS_WRITE, Scope.RISK_WRITE}
"""Scopes whose methods reach more than single accounts; a credential for some accounts only never has them."""


def scopes_allowed(roles: Iterable[Role]) -> frozenset[Scope]:
    """Give what somebody with these roles may be given at most."""
    return frozenset().union(*(SCOPES_OF[role] for role in roles))


def scopes_left(
    scopes: frozenset[Scope], roles: Iterable[Role], accounts: frozenset[str] | None, mode_max: Environment
) -> frozenset[Scope]:
    """Give what is left of a credential's scopes for a user with these roles.

    A credential that trades does not manage keys, and one for some accounts or environments only does nothing that
    reaches further: what it must not have it does not have, whoever wrote it down.
    """
    left = scopes & scopes_allowed(roles)
    if Scope.ORDERS_WRITE in left:
        left -= {Scope.KEYS_WRITE}
    if accounts is not None or mode_max is not Environment.LIVE:
        left -= BEYOND_AN_ACCOUNT
    if mode_max is not Environment.LIVE:
        # The audit log knows accounts, not what money they are of.
        left -= {Scope.AUDIT_READ}
    return left
