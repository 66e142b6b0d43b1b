"""Whether the tensor library multiplies float32 matrices in float32.

TF32 on a GPU and bfloat16 in oneDNN keep 10 and 8 bits of every factor. A ghost norm computed so
can fall short of the true one by far more than its safety margin, and the clip lets more through
than the noise is made for; nothing else looks wrong.
"""

from __future__ import annotations

import torch

from shared.privacy.errors import ReducedPrecisionError

_EXACT = {"none", "ieee"}


def check_products() -> None:
    """Refuse settings under which float32 products are rounded to fewer bits.

    Raises
    ------
    ReducedPrecisionError
    """
    for name, setting in _settings().items():
        if setting not in _EXACT:
            raise ReducedPrecisionError(f"{name} is {setting!r}")


def _settings() -> dict[str, str]:
    """By name; the older setting is translated, or absent where the newer ones were used."""
    backends = torch.backends
    places = {
        "torch.backends": backends,
        "torch.backends.cuda.matmul": backends.cuda.matmul,
        "torch.backends.mkldnn": backends.mkldnn,
        "torch.backends.mkldnn.matmul": getattr(backends.mkldnn, "matmul", None),
    }
    found = {
        f"{name}.fp32_precision": str(getattr(place, "fp32_precision", "none"))
        for name, place in places.items()
    }
    try:
        older = torch.get_float32_matmul_precision()
    except RuntimeError:  # both kinds of settings were used: the newer ones say what holds
        return found
    found["torch.get_float32_matmul_precision()"] = "ieee" if older == "highest" else older
    return found
