"""A device that does not exist: finds code that would mix the CPU's tensors with an accelerator's.

Tensors of this device compute on the CPU, but they say that they lie elsewhere, and an operation
that is given one of them beside an ordinary tensor raises, as a GPU would. Scalars are free to mix,
and so are ordinary indices into tensors that lie elsewhere, which a GPU accepts.

    with PretendDevice() as device:
        x = torch.ones(3).to(device)
        x + torch.ones(3)           # RuntimeError
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

_NAME = "meta"
"""What the tensors call their device: one that every build of torch knows."""
_MOVES = {"aten::_to_copy", "aten::copy_"}
_INDEXING = {"aten::index", "aten::index_put_", "aten::index_put"}


class Elsewhere(Tensor):
    """A tensor of the pretended device."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Elsewhere:
        made = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=_NAME,
        )
        made.inner = inner
        return cast(Elsewhere, made)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} on the pretended device outside PretendDevice")


class _FromNumbers(TorchFunctionMode):
    """What torch does out of the dispatcher's sight: tensors from numbers and back."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor and torch.device(kwargs.get("device") or "cpu").type == _NAME:
            return func(*args, **{**kwargs, "device": "cpu"}).to(_NAME)
        if func is Tensor.tolist and isinstance(args[0], Elsewhere):
            return args[0].inner.tolist()
        return func(*args, **kwargs)


class PretendDevice(TorchDispatchMode):
    """Within it the device exists."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __enter__(self) -> torch.device:  # type: ignore[override]
        self._numbers = _FromNumbers()
        self._numbers.__enter__()
        super().__enter__()
        return torch.device(_NAME)

    def __exit__(self, *reason: Any) -> None:
        super().__exit__(*reason)
        self._numbers.__exit__(*reason)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func._schema.name
        flat = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
        target = kwargs.get("device")
        here = any(isinstance(t, Elsewhere) for t in flat)
        if name not in _MOVES:
            _check(func, flat, args)
        if target is not None and target.type == _NAME:
            kwargs["device"] = torch.device("cpu")
            here = True
        elif target is not None and name == "aten::_to_copy":
            here = False
        result = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
        if not here:
            return result
        wrapped = tree_map(_wrap, result)
        return return_and_correct_aliasing(func, args, kwargs, wrapped)


def _check(func: Any, tensors: Iterable[Tensor], args: Any) -> None:
    if func._schema.name in _INDEXING and isinstance(args[0], Elsewhere):
        tensors = [t for t in (args[0], *args[2:]) if isinstance(t, Tensor)]
    kinds = {isinstance(t, Elsewhere) for t in tensors if t.dim()}
    if len(kinds) > 1:
        raise RuntimeError(f"{func}: tensors of two devices")


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Elsewhere) else value


def _wrap(value: Any) -> Any:
    return Elsewhere(value) if type(value) is Tensor else value
