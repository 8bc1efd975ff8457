"""The settings of who may call: API keys, and the tokens of an issuer."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from brokergw.desk.identity.issuing import KeyRules
from brokergw.desk.identity.token_rules import TokenRules
from brokergw.model.principal import Role


class IdentitySettings(BaseSettings):
    """The part of `Settings` that is about callers."""

    api_key_days_max: int = Field(90, ge=1, description="Days that a new API key may live at most.")
    api_keys_max: int = Field(100, ge=1, description="Usable API keys that one user may have.")

    oidc_issuer: str = Field("", description="Issuer (`iss`) whose signed tokens are taken as well as API keys.")
    oidc_audiences: str = Field("", description="Audiences (`aud`), by comma, of which a token must have one.")
    oidc_jwks_url: str = Field("", description="Where the issuer publishes its keys; empty asks its own description.")
    oidc_algorithms: str = Field("RS256,ES256,EdDSA", description="Signatures that are taken, by comma.")
    oidc_token_types: str = Field("at+jwt", description="Types (`typ`) of tokens that are taken, by comma.")
    oidc_leeway_s: float = Field(30.0, ge=0, le=300, description="Seconds that the issuer's clock may be off.")
    oidc_lifetime_max_s: float = Field(86_400.0, gt=0, description="Seconds that a token may live, by its own times.")
    oidc_user_claim: str = Field("sub", description="Claim that holds the user's id.")
    oidc_scope_claim: str = Field("scope", description="Claim that holds the scopes, as a list or with blanks.")
    oidc_scope_prefix: str = Field("", description="What scopes for this gateway begin with there.")
    oidc_roles_claim: str = Field(
        "", description="Claim that holds the user's groups; empty takes the roles that the gateway keeps."
    )
    oidc_roles: str = Field("", description="Which group is which role, such as `risk-desk=RISK_OFFICER,ops=OPERATOR`.")

    @model_validator(mode="after")
    def _tokens_are_whole(self) -> Self:
        if self.oidc_issuer:
            self.token_rules()
        return self

    @property
    def key_rules(self) -> KeyRules:
        """How API keys are given out."""
        return KeyRules(days_max=self.api_key_days_max, live_max=self.api_keys_max)

    def token_rules(self) -> TokenRules:
        """Make the rules of the issuer's tokens; raises ValueError for ones that cannot be."""
        groups = dict(_pair(each) for each in words_of(self.oidc_roles))
        return TokenRules(
            issuer=self.oidc_issuer,
            audiences=frozenset(words_of(self.oidc_audiences)),
            algorithms=frozenset(words_of(self.oidc_algorithms)),
            types=frozenset(each.lower() for each in words_of(self.oidc_token_types)),
            leeway_s=self.oidc_leeway_s,
            lifetime_max_s=self.oidc_lifetime_max_s,
            user_claim=self.oidc_user_claim,
            scope_claim=self.oidc_scope_claim,
            scope_prefix=self.oidc_scope_prefix,
            roles_claim=self.oidc_roles_claim,
            roles_by_group={group: Role(role) for group, role in groups.items()},
        )


def words_of(text: str) -> list[str]:
    """Split a list by comma; blanks around its words do not count."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"{text!r} is not group=ROLE")
    return name.strip(), value.strip()
