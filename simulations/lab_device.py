"""Where the laboratory trains: ``ISTHMUS_DEVICE``, the CPU if it is not set.

No part of a recipe, so that a run is the same run on another device, but for rounding.
"""

from __future__ import annotations

import os
from typing import Final

from clients.training.device import Compute

DEVICE_VARIABLE: Final = "ISTHMUS_DEVICE"


def lab_compute() -> Compute:
    """The device of this process.

    Raises
    ------
    NoDeviceError
        The variable names none that torch sees.
    """
    return Compute.named(os.environ.get(DEVICE_VARIABLE, "cpu"))
