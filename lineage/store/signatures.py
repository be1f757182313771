"""Who made a manifest: an Ed25519 signature (RFC 8032) beside it, with keys as `openssl genpkey` writes them."""

from __future__ import annotations

import base64
import binascii
from importlib import import_module
from pathlib import Path
from typing import Any

from lineage.errors import Malformed, MissingExtra
from lineage.store.manifest import MANIFEST

SIGNATURE = f"{MANIFEST}.sig"
MOST_BYTES = 1 << 10  # of a signature: 88 characters and a line end


def signature_of(content: bytes, key: Path) -> bytes:
    """The signature of a manifest by the private key in a PEM file, in base64.

    Raises Malformed, MissingExtra, OSError.
    """
    serialization = _part("hazmat.primitives.serialization")
    private = _part("hazmat.primitives.asymmetric.ed25519").Ed25519PrivateKey
    try:
        held = serialization.load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise Malformed(key, "is not a private key in PEM without a password") from error
    if not isinstance(held, private):
        raise Malformed(key, "is not an Ed25519 key: `openssl genpkey -algorithm ed25519` makes one")
    return base64.b64encode(held.sign(content)) + b"\n"


def public_key(path: Path) -> str:
    """The public key in a PEM file, as text. Raises Malformed, MissingExtra, OSError."""
    text = path.read_bytes().decode("ascii", "replace")
    _loaded(text, str(path))
    return text


def require_signed(content: bytes, signature: bytes, key: str, where: str) -> None:
    """Raise Malformed for a manifest that the owner of the public key did not sign."""
    invalid = _part("exceptions").InvalidSignature
    try:
        _loaded(key, where).verify(base64.b64decode(signature, validate=False), content)
    except (invalid, binascii.Error) as error:
        raise Malformed(where, "is not signed by this key: it was changed, or made by someone else: refused") from error


def _loaded(key: str, where: str) -> Any:
    serialization = _part("hazmat.primitives.serialization")
    public = _part("hazmat.primitives.asymmetric.ed25519").Ed25519PublicKey
    try:
        held = serialization.load_pem_public_key(key.encode())
    except (ValueError, TypeError) as error:
        raise Malformed(where, "is not a public key in PEM: `openssl pkey -in KEY -pubout` writes one") from error
    if not isinstance(held, public):
        raise Malformed(where, "is not an Ed25519 key")
    return held


def _part(name: str) -> Any:
    try:
        return import_module(f"cryptography.{name}")
    except ImportError as error:
        raise MissingExtra("signatures need an optional part: pip install 'weight-lineage[sign]'") from error
