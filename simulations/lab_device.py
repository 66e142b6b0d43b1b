"""Where the laboratory trains: ``ISTHMUS_DEVICE``, the CPU if it is not set, and its threads.

No part of a recipe, so that a run is the same run on another device, but for rounding.
"""

from __future__ import annotations

import os
from typing import Final

import torch

from clients.training.device import Compute

DEVICE_VARIABLE: Final = "ISTHMUS_DEVICE"
THREADS_VARIABLE: Final = "ISTHMUS_THREADS"
"""Threads of torch. One by default: two that wait for each other on a busy machine of two cores
took twenty times as long as one."""


def use_threads() -> None:
    """Let torch use as many threads as the environment says."""
    torch.set_num_threads(int(os.environ.get(THREADS_VARIABLE, "1")))


def lab_compute() -> Compute:
    """The device of this process.

    Raises
    ------
    NoDeviceError
        The variable names none that torch sees.
    """
    return Compute.named(os.environ.get(DEVICE_VARIABLE, "cpu"))
