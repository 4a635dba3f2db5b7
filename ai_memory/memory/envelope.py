"""Opens the envelopes in which the Rust program keeps encrypted contents, with the keys of their recipients.

An envelope is the byte 0x02, the 32 bytes of a public key that was made for it alone (X25519), a nonce of 12 bytes, and
the content under ChaCha20-Poly1305 with its tag of 16 bytes; the first 33 bytes are authenticated with it. The cipher's
key is HKDF-SHA256, without salt, of the secret that the two keys share (ai-memory 0.7.0 to 0.10.0, checked with both).
A recipient's secret is 32 bytes in a file of its own.

Nothing is encrypted here, and no key is made or written. What was opened is not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias

from ai_memory.errors import DataRefused
from ai_memory.memory.reason import Reason
from ai_memory.system import trusted_file
from ai_memory.system.trusted_file import ALL_OF_OTHERS, Rule
from ai_memory.text import nesting

if TYPE_CHECKING:
    from ai_memory.memory.records import Memory

VERSION = 2
PUBLIC_END, NONCE_END, TAG_BYTES = 33, 45, 16
"""Where the public key and the nonce end, in bytes from the beginning, and the length of the tag at the end."""
INFO = b"ai-memory/v0.7.0/e2e-content/chacha20poly1305-key/v2"
KEY_BYTES = 32
_RECIPIENT = re.compile(r"[A-Za-z0-9_:.@-]{1,128}", re.ASCII)
"""What an id of the Rust program is made of; it becomes a part of a file's name."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_FIRST_OF_EACH = json.JSONDecoder(
    object_pairs_hook=lambda found: dict(reversed(found)),
    parse_int=lambda _: None,
    parse_float=lambda _: None,
    parse_constant=_no_constant,
)
"""Reads the texts in JSON; numbers are nothing to it, however long."""

Unseal: TypeAlias = Callable[[bytes], str | Reason]
"""Opens an envelope with the one key that it has."""


class Opener(Protocol):
    """Who may have the keys."""

    def open(self, envelope: bytes, recipient: str | None) -> str | Reason:
        """Return the content in an envelope, or why it cannot be had; `recipient` is whose key it takes."""


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """The keys in a folder (None: none is named, and no home folder is known); each is read once, when it is needed."""

    folder: Path | None
    _keys: dict[str, Unseal | Reason] = field(default_factory=dict, repr=False, compare=False)

    def open(self, envelope: bytes, recipient: str | None) -> str | Reason:
        """Return the content in an envelope, or why it cannot be had; `recipient` is whose key it takes."""
        if envelope[:1] != bytes([VERSION]):
            version = f"version {envelope[0]}" if envelope else "nothing"
            return undecryptable(f"the envelope is {version}; only version {VERSION} is known")
        if len(envelope) < NONCE_END + TAG_BYTES:
            return undecryptable(f"the envelope is damaged: it has {len(envelope)} bytes, too few")
        if recipient is None or not _RECIPIENT.fullmatch(recipient):
            return undecryptable("the metadata names no agent_id whose key there could be")
        if recipient not in self._keys:
            self._keys[recipient] = self._unseal(recipient)
        unseal = self._keys[recipient]
        return unseal if isinstance(unseal, Reason) else unseal(envelope)

    def _unseal(self, recipient: str) -> Unseal | Reason:
        if self.folder is None:
            return undecryptable("there is no folder of keys; name it in AI_MEMORY_KEY_DIR")
        path = self.folder / f"{recipient}.x25519.priv"
        rule = Rule(f"the key {path}", DataRefused, KEY_BYTES, ALL_OF_OTHERS)
        try:
            path.stat()
            secret = trusted_file.read(path, rule)
        except FileNotFoundError:
            return undecryptable(f"there is no key {path}; AI_MEMORY_KEY_DIR names the folder")
        except OSError as error:
            return undecryptable(f"the key {path} cannot be read: {error.strerror}")
        except DataRefused as error:
            return undecryptable(error.line().rstrip("."))
        if len(secret) != KEY_BYTES:
            return undecryptable(f"the key {path} has {len(secret)} bytes, not {KEY_BYTES}")
        return _with_library(secret, recipient)


def content_of(memory: Memory, opener: Opener) -> str | Reason:
    """Return the content of an encrypted memory, or why it cannot be had."""
    envelope = memory.values.get("encrypted_envelope")
    recipient = recipient_of(str(memory.values.get("metadata")))
    return opener.open(envelope if isinstance(envelope, bytes) else b"", recipient)


def recipient_of(metadata: str) -> str | None:
    """Return the agent_id in the metadata of a memory, None where there is none.

    The first one where it is named twice, as SQLite's json_extract has it, by which the migration reads it.
    """
    try:
        with nesting.bounded():
            read = _FIRST_OF_EACH.decode(metadata)
    except ValueError:
        return None
    named = read.get("agent_id") if isinstance(read, dict) else None
    return named if isinstance(named, str) else None


def undecryptable(why: str) -> Reason:
    """Return the reason of a row whose content cannot be had."""
    return Reason("undecryptable", why)


def _with_library(secret: bytes, recipient: str) -> Unseal | Reason:
    """Return what opens envelopes with a secret, where the library that can is installed."""
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    except ImportError:
        return undecryptable('the package cryptography is not installed; type: pip install ".[encrypted]"')
    private = X25519PrivateKey.from_private_bytes(secret)

    def unseal(envelope: bytes) -> str | Reason:
        public, nonce = envelope[1:PUBLIC_END], envelope[PUBLIC_END:NONCE_END]
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(public))
            key = HKDF(SHA256(), KEY_BYTES, None, INFO).derive(shared)
            content = ChaCha20Poly1305(key).decrypt(nonce, envelope[NONCE_END:], envelope[:PUBLIC_END])
        except (InvalidTag, ValueError):
            # A ValueError: the public key is one of those with which no secret is shared (RFC 7748, 6.1).
            return undecryptable(f"the key of {recipient} does not open the envelope, or the envelope is damaged")
        try:
            return content.decode()
        except UnicodeDecodeError:
            return Reason("undecodable", "the content in the envelope is not valid text")

    return unseal
