"""Signed statements: in-toto statements in DSSE envelopes, signed with an ed25519 key of the user where one is set.

An envelope (https://github.com/secure-systems-lab/dsse) holds a payload and its signatures; without a key it has none. The public key lies beside a
signature, so that a changed byte shows without the key; whose key it is, only a key that the reader trusts can say.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.errors import StorageError, in_one_line

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


class BadStatement(StorageError):
    """A statement or its signature does not hold. The message is one line."""


class Signer:
    """Signs with one private key. `key_id` is the SHA-256 of its public key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = _raw(key.public_key())
        self.key_id = key_id(self._public)

    def signature(self, payload: bytes) -> dict[str, str]:
        """Return the signature of a payload as an envelope has it."""
        signed = self._key.sign(_encoded(payload))
        return {"keyid": self.key_id, "sig": _text(signed), "publicKey": _text(self._public)}


def signer(path: Path) -> Signer:
    """Return the signer of a private key in a file (PEM, or as OpenSSH writes it). Raises StorageError if that is no ed25519 key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    data = _read(path)
    load = (
        serialization.load_ssh_private_key if b"OPENSSH" in data[:60] else serialization.load_pem_private_key
    )
    try:
        key = load(data, password=None)
    except (ValueError, TypeError) as error:  # TypeError: it has a password
        raise StorageError(f"{path}: {in_one_line(error, 120).rstrip('.')}. {_MAKE}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StorageError(f"{path}: a key of another kind than ed25519. {_MAKE}")
    return Signer(key)


def trusted(path: Path) -> str:
    """Return the id of a public key in a file (PEM, or as OpenSSH writes it), or of the public half of a private key there.

    Raises StorageError if that is no ed25519 key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    data = _read(path)
    if b"PRIVATE KEY" in data:
        return signer(path).key_id
    load = (
        serialization.load_ssh_public_key if data.startswith(b"ssh-") else serialization.load_pem_public_key
    )
    try:
        key = load(data)
    except ValueError as error:
        raise StorageError(f"{path}: {in_one_line(error, 120).rstrip('.')}. {_MAKE}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise StorageError(f"{path}: a key of another kind than ed25519. {_MAKE}")
    return key_id(_raw(key))


def key_id(public: bytes) -> str:
    """Return the id of a public key of 32 bytes."""
    return hashlib.sha256(public).hexdigest()


def enveloped(statement: Mapping[str, Any], by: Signer | None) -> str:
    """Return the envelope of a statement as JSON: the same statement and key give the same text."""
    payload = json.dumps(statement, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": _text(payload),
        "signatures": [by.signature(payload)] if by is not None else [],
    }
    return json.dumps(envelope, indent=2) + "\n"


def opened(text: bytes, name: str, trust: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """Return the statement of an envelope, and the id of the key that signed it, which is empty if it is not signed.

    Args:
        name: of the file, for the error.
        trust: ids of keys; if there are some, one of them must have signed.

    Raises:
        BadStatement: the envelope cannot be read, or its signature does not hold.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    by = ""
    try:
        envelope = json.loads(text)
        payload = base64.b64decode(envelope["payload"], validate=True)
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError("another type of payload")
        for one in envelope["signatures"]:
            public = base64.b64decode(one["publicKey"], validate=True)
            Ed25519PublicKey.from_public_bytes(public).verify(
                base64.b64decode(one["sig"], validate=True), _encoded(payload)
            )
            if one["keyid"] != key_id(public):
                raise ValueError("another key than is named")
            if not by or one["keyid"] in trust:
                by = one["keyid"]
        statement: dict[str, Any] = json.loads(payload)
        if statement["_type"] != STATEMENT_TYPE:
            raise ValueError("another type of statement")
    except InvalidSignature:
        raise BadStatement(f"{name} was altered: its signature does not hold. {_AGAIN}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadStatement(
            f"{name} was altered: it is no signed statement ({in_one_line(error, 120).rstrip('.')}). {_AGAIN}"
        ) from error
    if trust and by not in trust:
        signed = f"is signed by another key ({by[:12]})" if by else "is not signed"
        raise BadStatement(f"{name} {signed}. Fix: give the key that signed it, or do not use what it names")
    return statement, by


_AGAIN = "Fix: restore it from a copy, or have it written again"
_MAKE = "Fix: name an ed25519 key without a password, such as `openssl genpkey -algorithm ed25519 -out KEY.pem` makes"


def _encoded(payload: bytes) -> bytes:
    """Return what is signed: the pre-authentication encoding of DSSE."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes_raw()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or type(error).__name__}. {_MAKE}") from error
