"""What a token must say to be taken, and what its claims mean here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from brokergw.model.principal import Role, Scope

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""What can be asked for at all: signatures whose keys can be published."""

_SCOPES: Final = {scope.value: scope for scope in Scope}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """One issuer's tokens; spans are seconds.

    `types` are in lower case, without `application/`. A scope counts when it begins with `scope_prefix`. Roles come
    from `roles_claim` by `roles_by_group`; without such a claim in the settings they are those that the gateway keeps.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset({"RS256", "ES256", "EdDSA"})
    types: frozenset[str] = frozenset({"at+jwt"})
    leeway_s: float = 30.0
    lifetime_max_s: float = 86_400.0
    user_claim: str = "sub"
    scope_claim: str = "scope"
    scope_prefix: str = ""
    roles_claim: str = ""
    roles_by_group: Mapping[str, Role] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.issuer and self.audiences and self.types and self.algorithms):
            raise ValueError("tokens need an issuer, an audience, a type and an algorithm")
        if unknown := self.algorithms - ALGORITHMS:
            raise ValueError(f"tokens cannot be signed with {', '.join(sorted(unknown))}")

    def scopes_of(self, claims: Mapping[str, Any]) -> frozenset[Scope]:
        """Read the scopes that are ours; others are for others."""
        said = claims.get(self.scope_claim)
        names = said.split() if isinstance(said, str) else texts(said)
        own = (name.removeprefix(self.scope_prefix) for name in names if name.startswith(self.scope_prefix))
        return frozenset(_SCOPES[name] for name in own if name in _SCOPES)

    def roles_of(self, claims: Mapping[str, Any]) -> frozenset[Role] | None:
        """Read the roles; None where tokens do not tell them."""
        if not self.roles_claim:
            return None
        groups = texts(claims.get(self.roles_claim))
        return frozenset(self.roles_by_group[group] for group in groups if group in self.roles_by_group)


def texts(said: Any) -> list[str]:
    """Read one text or a list of them; anything else is none."""
    if isinstance(said, str):
        return [said]
    if isinstance(said, list) and all(isinstance(each, str) for each in said):
        return said
    return []
