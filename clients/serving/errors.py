"""What the service answers when it cannot do what was asked; each error has one HTTP status."""

from __future__ import annotations

from typing import ClassVar

from shared.errors import ServiceError


class RequestError(ServiceError):
    """A request that is refused."""

    code = "SRV-110"
    status: ClassVar[int] = 400


class KeyMissingError(RequestError):
    """No API key, or one that is not known."""

    code = "SRV-111"
    status = 401
    default_remedy = "send `Authorization: Bearer KEY`; make keys with isthmus-node keys add"


class WrongRoleError(RequestError):
    """The API key's role does not allow this."""

    code = "SRV-112"
    status = 403


class TooManyRequestsError(RequestError):
    """The API key asks faster than it may."""

    code = "SRV-113"
    status = 429
    default_remedy = "wait as long as Retry-After says"


class BodyTooLongError(RequestError):
    """The body of a request is longer than the service reads."""

    code = "SRV-114"
    status = 413


class InvalidRequestError(RequestError):
    """A request that does not fit the API: a field is missing, unknown or out of range."""

    code = "SRV-115"
    status = 422
    default_remedy = "see the OpenAPI document under /openapi.json"


class UnknownItemError(RequestError):
    """An item id that the catalogue does not have."""

    code = "SRV-116"
    status = 404


class NoSuchPathError(RequestError):
    """A path that the service does not have."""

    code = "SRV-117"
    status = 404


class NoSuchMethodError(RequestError):
    """A method that a path does not have."""

    code = "SRV-123"
    status = 405


class OverloadedError(RequestError):
    """More requests are waiting than the service lets wait."""

    code = "SRV-118"
    status = 503
    default_remedy = "send fewer requests at a time"


class NotReadyError(RequestError):
    """The service has no data or no model, or is about to stop."""

    code = "SRV-119"
    status = 503


class UnexpectedError(RequestError):
    """A fault of the service itself; the log says more under the same request number."""

    code = "SRV-120"
    status = 500


class AddressError(ServiceError):
    """The service cannot listen at its address: the port is taken, or the host is not this one."""

    code = "SRV-126"
    default_remedy = "give another --port or --host, or change host and port in [serving]"


class KeyFileError(ServiceError):
    """The file of API keys cannot be read, or others can read it."""

    code = "SRV-121"


class UnknownKeyNameError(ServiceError):
    """No API key has this name, or the name of a new one is taken."""

    code = "SRV-122"
