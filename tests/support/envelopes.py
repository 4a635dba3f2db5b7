"""Envelopes as the Rust program makes them, by the format's description and none of our own code."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

INFO = b"ai-memory/v0.7.0/e2e-content/chacha20poly1305-key/v2"


def secret_of(agent: str) -> bytes:
    """Return the 32 secret bytes of an agent: always the same."""
    return sha256(f"the secret of {agent}".encode()).digest()


def keep_key(folder: Path, agent: str, *, secret: bytes | None = None, mode: int = 0o600) -> Path:
    """Write the key of an agent as the Rust program keeps it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{agent}.x25519.priv"
    path.write_bytes(secret_of(agent) if secret is None else secret)
    path.chmod(mode)
    return path


def sealed(content: str | bytes, agent: str) -> bytes:
    """Return a content in an envelope for an agent: the same content always in the same one."""
    plain = content.encode() if isinstance(content, str) else content
    ephemeral = X25519PrivateKey.from_private_bytes(sha256(b"ephemeral" + plain).digest())
    shared = ephemeral.exchange(X25519PrivateKey.from_private_bytes(secret_of(agent)).public_key())
    head = b"\x02" + ephemeral.public_key().public_bytes_raw()
    nonce = sha256(b"nonce" + plain).digest()[:12]
    key = HKDF(SHA256(), 32, None, INFO).derive(shared)
    return head + nonce + ChaCha20Poly1305(key).encrypt(nonce, plain, head)
