"""A language model behind an OpenAI-compatible address that the platform hosts.

Prompts hold what a user viewed or bought, so they may only go to this machine or, over TLS, to
hosts that the platform allows; redirects and proxies are off and answers are bounded.
"""

from __future__ import annotations

import ipaddress
import json
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from clients.explaining.wording import Language
from clients.text.config import EndpointConfig
from clients.text.errors import EndpointNotAllowedError, TextFailedError, TextTooLateError
from clients.text.model import Assignment
from clients.text.prompts import chat
from shared.errors import UnreadableConfigError, in_words

LARGEST_ANSWER: Final = 64 << 10
MOST_TOKENS: Final = 120


class EndpointModel:
    """A chat model at an address.

    Parameters
    ----------
    config
        Address, model, allowed hosts.
    transport
        For tests; None: the network.

    Raises
    ------
    EndpointNotAllowedError
        The address is neither on this machine nor allowed.
    """

    def __init__(
        self, config: EndpointConfig, transport: httpx.BaseTransport | None = None
    ) -> None:
        check_address(config)
        key = _key(config.api_key_file)
        self._model = config.model
        self._client = httpx.Client(
            base_url=config.url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    @property
    def name(self) -> str:
        """The model's name there."""
        return f"endpoint:{self._model}"

    @property
    def languages(self) -> frozenset[Language]:
        """Every language that we word."""
        return frozenset({"en", "zh"})

    def sentence(self, assignment: Assignment, seconds: float) -> str:
        """Ask for a sentence.

        Raises
        ------
        TextTooLateError
            It took longer than `seconds`.
        TextFailedError
            The server answered with an error, or with something else than a completion.
        """
        body = {
            "model": self._model,
            "messages": chat(assignment.facts, assignment.place, assignment.language),
            "temperature": 0.0,
            "max_tokens": MOST_TOKENS,
        }
        try:
            answer = self._post(body, time.monotonic() + seconds)
            text = answer["choices"][0]["message"]["content"]
        except httpx.TimeoutException:
            raise TextTooLateError(f"no sentence within {seconds:.1f} s") from None
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise TextFailedError(f"the text endpoint failed: {type(error).__name__}") from None
        if not isinstance(text, str):
            raise TextFailedError("the text endpoint's answer holds no text")
        return text.strip()

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _post(self, body: dict[str, Any], deadline: float) -> Any:
        left = max(deadline - time.monotonic(), 0.001)
        received = bytearray()
        with self._client.stream("POST", "chat/completions", json=body, timeout=left) as response:
            response.raise_for_status()
            for piece in response.iter_bytes():
                received += piece
                if len(received) > LARGEST_ANSWER:
                    raise TextFailedError("the text endpoint's answer is too long")
                if time.monotonic() > deadline:  # dripping answers never time out by themselves
                    raise TextTooLateError("the text endpoint's answer did not end in time")
        return json.loads(received)


def check_address(config: EndpointConfig) -> None:
    """Refuse addresses to which no prompt may go.

    Raises
    ------
    EndpointNotAllowedError
        The address is neither on this machine nor allowed.
    """
    parts = urlsplit(config.url)
    host = (parts.hostname or "").lower()
    if parts.username or parts.password or parts.scheme not in ("http", "https") or not host:
        raise EndpointNotAllowedError("not a plain http or https address", where="[text.endpoint]")
    if _loopback(host):
        return
    allowed = {one.lower() for one in config.allowed_hosts}
    if host not in allowed or parts.scheme != "https":
        raise EndpointNotAllowedError(f"{parts.scheme}://{host}", where="[text.endpoint] url")


def _key(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        where = f"[text.endpoint] api_key_file = {file!r}"
        raise UnreadableConfigError(in_words(error, "is no text"), where=where) from None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
