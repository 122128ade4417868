"""Envelopes: signed by a key of the user, checked without it, and refused when a byte has changed."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from storage.errors import StorageError
from storage.signing import STATEMENT_TYPE, BadStatement, enveloped, opened, signer, trusted

STATEMENT = {
    "_type": STATEMENT_TYPE,
    "subject": [{"name": "a", "digest": {"sha256": "00"}}],
    "predicate": {"é": 1},
}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key as `openssl genpkey -algorithm ed25519` makes it, with its public half beside it."""
    private = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    path.with_suffix(".pub").write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path


def test_what_is_signed_is_read_back_and_names_its_key(key: Path) -> None:
    by = signer(key)
    text = enveloped(STATEMENT, by)
    assert text == enveloped(STATEMENT, by)
    assert opened(text.encode(), "f") == (STATEMENT, by.key_id)
    assert opened(text.encode(), "f", [trusted(key.with_suffix(".pub"))]) == (STATEMENT, by.key_id)
    assert trusted(key) == by.key_id
    assert opened(enveloped(STATEMENT, None).encode(), "f") == (STATEMENT, "")


def test_the_signature_is_that_of_dsse(key: Path, tmp_path: Path) -> None:
    """openssl checks it, over the encoding that the specification of DSSE prescribes."""
    envelope = json.loads(enveloped(STATEMENT, signer(key)))
    payload = base64.b64decode(envelope["payload"])
    kind = "application/vnd.in-toto+json"
    (tmp_path / "signed").write_bytes(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    words = "openssl pkeyutl -verify -pubin -inkey key.pub -rawin -in signed -sigfile sig"
    done = subprocess.run(words.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout, done.stderr


def test_every_changed_byte_is_one_line(key: Path) -> None:
    text = enveloped(STATEMENT, signer(key)).encode()
    refused = 0
    for at in range(len(text)):
        changed = text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]
        message = ""
        try:
            statement, _ = opened(changed, "f")
        except BadStatement as error:
            message = str(error)
        if not message:  # white space, or the bits of base64 that stand for nothing
            assert statement == STATEMENT
            continue
        refused += 1
        assert message.startswith("f was altered")
        assert "\n" not in message
        assert "Fix: " in message
    assert refused > len(text) * 0.9


def test_another_key_or_none_is_refused_where_one_is_trusted(key: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    )
    text = enveloped(STATEMENT, signer(other)).encode()
    with pytest.raises(BadStatement, match=r"f is signed by another key \([0-9a-f]{12}\). Fix: "):
        opened(text, "f", [trusted(key)])
    with pytest.raises(BadStatement, match="f is not signed. Fix: "):
        opened(enveloped(STATEMENT, None).encode(), "f", [trusted(key)])


def test_a_key_that_cannot_sign_is_one_line(tmp_path: Path, key: Path) -> None:
    locked, of_rsa, nothing = tmp_path / "locked", tmp_path / "rsa", tmp_path / "nothing"
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"p"),
        )
    )
    of_rsa.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    nothing.write_text("no key")
    for path in (locked, of_rsa, nothing, tmp_path / "missing"):
        with pytest.raises(StorageError, match=r"Fix: name an ed25519 key without a password") as error:
            signer(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
