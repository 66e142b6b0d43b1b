"""Large buffers used again at every step: asking the system for 100 MB costs as much as filling it.

A buffer is lent to one holder at a time. What nobody gives back is freed as any other tensor.
"""

from __future__ import annotations

from torch import Tensor


class Scratch:
    """Buffers that were given back, of any size and type."""

    def __init__(self) -> None:
        self._free: list[Tensor] = []

    def take(self, rows: int, columns: int, like: Tensor) -> Tensor:
        """A matrix (rows, columns) with arbitrary contents, of the type and device of `like`.

        A buffer that is too small is dropped, so that no more memory is held than was once in use.
        """
        count = rows * columns
        fitting = [b for b in self._free if b.dtype == like.dtype and b.device == like.device]
        buffer = max(fitting, key=Tensor.numel, default=None)
        if buffer is not None:
            self._free = [b for b in self._free if b is not buffer]
        if buffer is None or buffer.numel() < count:
            buffer = like.new_empty(count)
        return buffer[:count].view(rows, columns)

    def give_back(self, matrix: Tensor) -> None:
        """Lend the memory of `matrix`, which nobody uses any more, to the next who asks."""
        whole = matrix if matrix._base is None else matrix._base
        self._free.append(whole.view(whole.numel()))
