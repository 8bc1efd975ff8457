"""Who gives and takes keys, roles, certificates and tokens, put together over a store."""

from brokergw.app.secrets import Secrets
from brokergw.desk.identity.access import Access, CertificateMappings, Granting, TokenRevoking
from brokergw.desk.identity.issuing import Issuing, KeyRules
from brokergw.ports.clock import Clock
from brokergw.store.open import Store


def access_of(store: Store, secrets: Secrets, rules: KeyRules, clock: Clock) -> Access:
    """Put it together."""
    return Access(
        Issuing(store.keys, store.roles, store.connections, clock, secrets.api_key_pepper, rules),
        Granting(store.roles, clock),
        CertificateMappings(store.certificates, store.roles, clock),
        TokenRevoking(store.tokens, clock),
    )
