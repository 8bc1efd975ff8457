"""The keys that the issuer signs its tokens with, as it publishes them (RFC 7517), kept for a while.

They are fetched from the one address that the settings name; nothing in a token leads anywhere. A key id that is not
known makes a fetch at most every half minute, whoever asks, so that made-up ids cannot make the gateway a nuisance.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from brokergw.desk.identity.strict_json import NotStrict, strict_object
from brokergw.desk.identity.token_rules import texts
from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.clock import Clock
from brokergw.ports.identity import KeySource

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_FRESH_S: Final = 300.0
_USED_S: Final = 3_600.0
"""Keys are used so long while the issuer does not answer; a key that it has withdrawn, no longer than that."""

_ASKED_EVERY_S: Final = 30.0
_KEYS_MAX: Final = 64
_RSA_BITS: Final = range(2_048, 8_193)
_EDWARDS: Final = frozenset({"EdDSA", "Ed25519"})
"""Two names of the same signature: that of RFC 8037, and the one that RFC 9864 put in its place."""

_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One public key; `algorithm` is the only one it is for, empty where the issuer does not say."""

    public: PublicKey
    algorithm: str

    def fits(self, algorithm: str) -> bool:
        """Tell whether a signature of this algorithm can be one of this key's."""
        if self.algorithm not in {"", algorithm}:
            return False
        if isinstance(self.public, RSAPublicKey):
            return algorithm[:2] in {"RS", "PS"}
        if isinstance(self.public, EllipticCurvePublicKey):
            return _CURVES.get(algorithm) == self.public.curve.name
        return algorithm in _EDWARDS


class IssuerKeys:
    """Finds a key by its id."""

    def __init__(self, source: KeySource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._keys: dict[str, IssuerKey] = {}
        self._fetched: float | None = None
        self._asked: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> IssuerKey | None:
        """Give a key, None for an id that the issuer does not have; raises ISSUER_UNAVAILABLE where nobody can tell."""
        age_s = self._age_s()
        if age_s is None or age_s >= _USED_S:
            await self._refresh()
            if (age_s := self._age_s()) is None or age_s >= _USED_S:
                raise GatewayError(Reason.ISSUER_UNAVAILABLE, "the issuer's keys cannot be fetched", retry_after_s=1.0)
        elif age_s >= _FRESH_S:
            # Whoever comes with a known key need not wait for the next set, unless the present one is getting old.
            refreshing = asyncio.ensure_future(self._refresh())
            if key_id not in self._keys or age_s >= 2 * _FRESH_S:
                await asyncio.shield(refreshing)
        elif key_id not in self._keys:
            await self._refresh()
        return self._keys.get(key_id)

    def _age_s(self) -> float | None:
        return None if self._fetched is None else self._clock.monotonic() - self._fetched

    async def _refresh(self) -> None:
        """Fetch the set, once for all who ask meanwhile, and not again before its time."""
        if self._fetching is None:
            now = self._clock.monotonic()
            if self._asked is not None and now - self._asked < _ASKED_EVERY_S:
                return
            self._asked = now
            self._fetching = asyncio.create_task(self._fetch(), name="fetch the issuer's keys")
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            keys = keys_of(await self._source.fetch())
        except (GatewayError, NotStrict) as error:
            log.warning("the issuer's keys cannot be fetched; those of before stay in use for a while", why=str(error))
        else:
            self._keys, self._fetched = keys, self._clock.monotonic()
        finally:
            self._fetching = None


def keys_of(body: bytes) -> dict[str, IssuerKey]:
    """Read a JWK Set; keys that are not for signatures, weak, secret or unknown are left out.

    So is every key whose id is there twice: nobody could tell which of them is meant. Raises NotStrict.
    """
    listed = strict_object(body).get("keys")
    if not isinstance(listed, list) or len(listed) > _KEYS_MAX:
        raise NotStrict("no key set")
    named = [each for each in listed if isinstance(each, dict) and isinstance(each.get("kid"), str)]
    times = Counter(each["kid"] for each in named)
    read = {each["kid"]: _key(each) for each in named if times[each["kid"]] == 1}
    return {key_id: key for key_id, key in read.items() if key is not None}


def _key(jwk: dict[str, Any]) -> IssuerKey | None:
    readers: dict[str, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}
    reader = readers.get(str(jwk.get("kty")))
    operations = jwk.get("key_ops", ["verify"])
    if reader is None or jwk.get("use", "sig") != "sig" or "verify" not in texts(operations) or "d" in jwk:
        return None
    try:
        public = reader.from_jwk(jwk)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(public, RSAPublicKey):
        known = public.key_size in _RSA_BITS
    elif isinstance(public, EllipticCurvePublicKey):
        known = public.curve.name in _CURVES.values()
    else:
        known = isinstance(public, Ed25519PublicKey)
    return IssuerKey(public, str(jwk.get("alg", ""))) if known else None
