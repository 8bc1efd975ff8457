"""Signatures, judged by published vectors and by the public half of a key."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from brokergw.transport.signing import Ed25519Signer, HmacSigner, signer_of

SPOT = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
FUTURES = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
ORDER = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
FUTURES_ORDER = "side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943"
VECTORS = [
    (SPOT, f"symbol=LTCBTC&{ORDER}", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    (
        SPOT,
        f"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&{ORDER}",
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
    (
        FUTURES,
        f"symbol=BTCUSDT&{FUTURES_ORDER}",
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
    ),
]
"""Binance's published examples of spot and futures."""


@pytest.mark.parametrize(("secret", "payload", "signature"), VECTORS)
def test_a_secret_signs_as_published(secret: str, payload: str, signature: str) -> None:
    """HMAC-SHA256 over the payload as it is sent, in hexadecimal."""
    signer = signer_of(secret)
    assert signer.sign(payload.encode()) == signature
    assert secret not in repr(signer)


def pem(key: Ed25519PrivateKey) -> str:
    """Write a private key."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_private_key_signs_for_its_public_half() -> None:
    """A PEM of Ed25519 is recognised, and its signature is one that the public key accepts."""
    key = Ed25519PrivateKey.generate()
    signer = signer_of(pem(key))
    assert isinstance(signer, Ed25519Signer)
    assert repr(signer) == "Ed25519Signer(***)"
    key.public_key().verify(base64.b64decode(signer.sign(b"payload")), b"payload")


def test_another_kind_of_key_is_refused() -> None:
    """A key of another algorithm, and half of one, are told apart from a secret and signed with by nobody."""
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for text in (other.decode(), pem(Ed25519PrivateKey.generate())[:60]):
        with pytest.raises(ValueError, match="private key"):
            signer_of(text)
    assert isinstance(signer_of("a plain secret"), HmacSigner)
