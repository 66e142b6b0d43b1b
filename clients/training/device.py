"""Where a node computes: a choice of its own that cannot alter what is computed.

::

    compute = Compute.named("auto")             # CUDA where torch sees it, else the CPU
    trainer = Trainer(model, examples, items, terms, protection, compute=compute)

A `Compute` is part of no plan and never leaves the node. Batches are drawn, noise is made and state
is kept on the host; a device sees tensors between the two and differs in rounding alone. Products
in fewer bits (TF32, bfloat16) would be more than rounding: `shared.privacy.precision` refuses them
in every private step, whatever the device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol, Self, TypeVar

import torch

from clients.training.config import DEVICE
from shared.errors import ConfigError


class NoDeviceError(ConfigError):
    """`[training] device` names a GPU that is not there, or nothing that is known."""

    code = "CFG-105"
    default_remedy = 'set device = "auto" or "cpu" in [training], or repair the driver'


class Movable(Protocol):
    """What can lie on a device."""

    def to(self, device: torch.device, /) -> Self:
        """The same on `device`."""


_T = TypeVar("_T", bound=Movable)


@dataclass(frozen=True, slots=True)
class Compute:
    """What changes speed and rounding, and nothing of the guarantee.

    Attributes
    ----------
    device
        Where models and their batches lie.
    """

    device: torch.device

    @classmethod
    def named(cls, name: str) -> Compute:
        """The device called ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Raises
        ------
        NoDeviceError
            It is none of these, or torch does not see it.
        """
        if not re.fullmatch(DEVICE, name):
            raise NoDeviceError(f"device = {name!r} is not auto, cpu, cuda or cuda:N")
        seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if name == "auto":
            return cls(torch.device("cuda" if seen else "cpu"))
        wanted = torch.device(name)
        if wanted.type == "cuda" and (wanted.index or 0) >= seen:
            raise NoDeviceError(f"device = {name!r}, and torch sees {seen} CUDA devices")
        return cls(wanted)

    @property
    def label(self) -> str:
        """For people: the GPU's name, or how many threads of the CPU."""
        if self.device.type == "cuda":
            return f"{self.device}, {torch.cuda.get_device_name(self.device)}"
        threads = torch.get_num_threads()
        return f"CPU, {threads} thread{'' if threads == 1 else 's'}"

    def place(self, value: _T) -> _T:
        """`value` on this device; itself where it lies there."""
        return value if self.device.type == "cpu" else value.to(self.device)


HOST: Final = Compute(torch.device("cpu"))
"""The CPU."""
