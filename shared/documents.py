"""Small signed JSON documents that may travel by any channel: joining, releases, withdrawals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field

from shared.config import StrictModel, parse
from shared.errors import FederationError, in_words
from shared.files import write_atomically
from shared.hashing import digest

MAX_DOCUMENT_BYTES = 1 << 16
Signature = Annotated[str, Field(pattern=r"^([0-9a-f]{128})?$")]


class DocumentError(FederationError):
    """A signed document that cannot be read or is not signed by whom it must be."""

    code = "FED-101"
    default_remedy = "ask the sender for the file again"


class SignedDocument(StrictModel):
    """A signed JSON document."""

    max_bytes: ClassVar[int] = MAX_DOCUMENT_BYTES
    """Longer files are not read."""
    version: Literal[1] = 1
    """Version of this format."""
    signature: Signature = ""
    """Ed25519 signature over everything else, hex."""

    def payload(self) -> bytes:
        """The bytes that are signed."""
        values = json.dumps(self.signed_values(), sort_keys=True)
        return digest(f"isthmus {type(self).__name__} 1", values.encode())

    def signed_values(self) -> dict[str, Any]:
        """What is signed: all but the signature."""
        return self.model_dump(mode="json", exclude={"signature"})


Document = TypeVar("Document", bound=SignedDocument)


def signed(document: Document, key: Ed25519PrivateKey) -> Document:
    """The document with the signature of `key`."""
    return document.model_copy(update={"signature": key.sign(document.payload()).hex()})


def check_signature(document: Document, key: bytes) -> None:
    """Raise unless `document` is signed by `key` (Ed25519 public key, 32 bytes).

    Raises
    ------
    DocumentError
    """
    try:
        public = Ed25519PublicKey.from_public_bytes(key)
        public.verify(bytes.fromhex(document.signature), document.payload())
    except (InvalidSignature, ValueError) as error:
        raise DocumentError(f"the {type(document).__name__} is not signed by its maker") from error


def read_document(model: type[Document], path: Path) -> Document:
    """Read a document; its signature is not checked yet.

    Raises
    ------
    DocumentError, ConfigError
    """
    return parse(model, read_values(path, model.max_bytes), where=str(path))


def read_values(path: Path, max_bytes: int = MAX_DOCUMENT_BYTES) -> dict[str, Any]:
    """The values of a document whose kind is not known yet.

    Raises
    ------
    DocumentError
    """
    try:
        raw = path.read_bytes()
        values = json.loads(raw) if len(raw) <= max_bytes else None
    except OSError as error:
        problem = f"cannot be read: {in_words(error, 'refused')}"
        raise DocumentError(problem, where=str(path), remedy="check the path") from error
    except ValueError as error:
        raise DocumentError("is no JSON", where=str(path)) from error
    if not isinstance(values, dict):
        raise DocumentError("is no document of a federation", where=str(path))
    return values


def write_document(document: Document, path: Path) -> None:
    """Write a document; it is public."""
    write_atomically(path, document.model_dump_json(indent=1).encode() + b"\n")
