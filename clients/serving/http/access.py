"""Who may ask what: API keys, roles and rates, checked before a body is read."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from clients.serving.errors import KeyMissingError, TooManyRequestsError, WrongRoleError
from clients.serving.keys import ApiKeys, Role
from clients.serving.limits import RateLimit

_BEARER: Final = HTTPBearer(auto_error=False, description="A key of isthmus-node keys add")
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


class Access:
    """Dependency of a route: lets keys of some roles through.

    Parameters
    ----------
    roles
        Besides `admin`, which may do everything.
    """

    def __init__(self, *roles: Role) -> None:
        self._roles = {*roles, "admin"}

    async def __call__(self, request: Request, given: Given) -> None:
        """Check the key of a request.

        Raises
        ------
        KeyMissingError, WrongRoleError, TooManyRequestsError
        """
        keys: ApiKeys = request.app.state.keys
        limit: RateLimit = request.app.state.limit
        key = keys.of(given.credentials) if given is not None else None
        if key is None:
            raise KeyMissingError("no valid API key")
        if wait := limit.wait(key.name):
            raise TooManyRequestsError(f"wait {wait:.2f} seconds")
        if key.role not in self._roles:
            allowed = ", ".join(sorted(self._roles))
            raise WrongRoleError(f"this needs a key of role {allowed}")
