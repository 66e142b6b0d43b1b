"""What private training, accounting and the ledger refuse.

::

    PrivacyError
    ├── UnsupportedLayerError        PRIV-001   a parameter whose per-user gradients are unknown
    ├── UnrecordedGradientError      PRIV-002   a gradient that went around the recording
    ├── CoupledUsersError            PRIV-003   losses or records that are not one per user
    ├── InvalidMechanismError        PRIV-004   noise, rate, steps or norm outside their range
    ├── UntrustedNoiseError          PRIV-005   noise that is not from a cryptographic generator
    ├── UnreachableBudgetError       PRIV-006   no noise is enough for the budget
    ├── ReducedPrecisionError        PRIV-007   float32 products in fewer bits than float32
    ├── PlanBudgetError              PRIV-010   a round would exceed the plan's cap
    ├── LifetimeBudgetError          PRIV-011   a round would exceed the platform's lifetime cap
    ├── LedgerCorruptError           PRIV-012   the ledger was altered or cut short
    ├── LedgerMismatchError          PRIV-013   the ledger belongs to other terms or another node
    └── UnknownReservationError      PRIV-014   a commit that nothing was reserved for
"""

from __future__ import annotations

from shared.errors import PrivacyError


class UnsupportedLayerError(PrivacyError):
    """A trainable parameter outside the layers whose per-user gradients are known."""

    code = "PRIV-001"
    default_remedy = (
        "use Linear, Embedding or LSTM of shared.models.layers, freeze the parameter, "
        "or train the model through Opacus with the same ledger"
    )


class UnrecordedGradientError(PrivacyError):
    """A gradient reached a parameter without being recorded, so it cannot be clipped."""

    code = "PRIV-002"
    default_remedy = (
        "compute the losses inside recording(), and use parameters only through their layers"
    )


class CoupledUsersError(PrivacyError):
    """Losses or recorded gradients that are not exactly one per user."""

    code = "PRIV-003"
    default_remedy = (
        "return one loss per user that depends on that user's data alone: no batch means, batch "
        "statistics or in-batch negatives"
    )


class InvalidMechanismError(PrivacyError):
    """A noise multiplier, sample rate, number of steps, norm or delta outside its range."""

    code = "PRIV-004"


class UntrustedNoiseError(PrivacyError):
    """A noise source that is not the cryptographic one."""

    code = "PRIV-005"
    default_remedy = "pass SecureGaussian(); seeded noise exists only in the tests"


class UnreachableBudgetError(PrivacyError):
    """No noise multiplier within reason meets the privacy budget."""

    code = "PRIV-006"
    default_remedy = "take fewer steps, a lower sample rate or a larger epsilon"


class ReducedPrecisionError(PrivacyError):
    """float32 matrices would be multiplied in fewer bits, and norms come out too small."""

    code = "PRIV-007"
    default_remedy = 'call torch.set_float32_matmul_precision("highest") before private training'


class PlanBudgetError(PrivacyError):
    """A round that would exceed the cap of its plan."""

    code = "PRIV-010"
    default_remedy = "end the run here; the releases made so far stay valid"


class LifetimeBudgetError(PrivacyError):
    """A round that would exceed the platform's lifetime cap over all plans and models."""

    code = "PRIV-011"
    default_remedy = (
        "no further private training on these users is possible under this cap; to raise it is "
        "the platform's decision: isthmus-node privacy --lifetime-epsilon"
    )


class LedgerCorruptError(PrivacyError):
    """A ledger that was altered, reordered or cut short."""

    code = "PRIV-012"
    default_remedy = "restore it from a backup and check it with tools/verify_ledger.py"


class LedgerMismatchError(PrivacyError):
    """A ledger that belongs to another node or was opened with other terms."""

    code = "PRIV-013"


class UnknownReservationError(PrivacyError):
    """A commit for which nothing was reserved, or which names another update than before."""

    code = "PRIV-014"
