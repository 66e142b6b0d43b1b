"""The one step of a round with distributed noise: clipped gradients, summed, not yet noised.

::

    update = SharedStep(config, examples, items, terms, clipping_norm=0.5).run(global_model)

What `run` returns is **private data**: it must leave only through secure aggregation with
`share_noise`, which adds this platform's share of the noise (see `shared.distributed`). There is no
local optimiser, because everything done before the noise must be linear in the gradients; the
server's optimiser works on the opened sum.
"""

from __future__ import annotations

import torch

from clients.training.batches import TrainingSet
from clients.training.device import HOST, Compute
from clients.training.errors import PrivateBiasError
from clients.training.local import StepTerms, negatives_for
from shared.models.behaviour import BehaviourLSTM
from shared.models.config import BehaviourConfig
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from shared.models.torch_parameters import load_vector
from shared.privacy.clipping import ClippedGradient
from shared.privacy.sampling import PoissonSampler


class SharedStep:
    """One step from the global model, in the place of a `Trainer`.

    Parameters
    ----------
    config, examples, items
        As for `Trainer`.
    terms
        Public numbers; `expected_batch_size` is the same at all partners.
    clipping_norm
        L2 bound on one user's gradient.
    compute
        Where the step is computed; the update is an array of the host all the same.

    Raises
    ------
    PrivateBiasError
        `items` has biases or are trained.
    """

    def __init__(
        self,
        config: BehaviourConfig,
        examples: TrainingSet,
        items: ItemMatrix,
        terms: StepTerms,
        clipping_norm: float,
        compute: Compute = HOST,
    ) -> None:
        if items.bias is not None or items.trainable:
            raise PrivateBiasError("the items of a private step have biases or are trained")
        self._model, self._items = compute.place(BehaviourLSTM(config)), compute.place(items)
        self._examples, self._terms, self._compute = examples, terms, compute
        self._gradient = ClippedGradient(
            self._model, clipping_norm=clipping_norm, expected_batch_size=terms.expected_batch_size
        )
        self._sampler = PoissonSampler(terms.sample_rate, examples.users)
        self._random = torch.Generator()
        self._random.seed()  # from the operating system

    def run(self, start: Float32s) -> Float32s:
        """The update (P,) from the parameters `start` (P,) on one Poisson batch.

        One user moves it by ``learning_rate * clipping_norm / expected_batch_size`` at most.

        Raises
        ------
        ParameterVectorError
            `start` does not fit the model.
        """
        load_vector(self._model, start)
        batch = self._compute.place(self._examples.batch(self._sampler.draw()))
        with self._gradient.recording():
            negatives = negatives_for(self._terms, len(self._items), self._random)
            losses = self._model.loss_per_user(batch, self._items, negatives)
        self._gradient.backward(losses)
        gradients = [p.grad for p in self._model.parameters() if p.grad is not None]
        total = torch.cat([gradient.flatten() for gradient in gradients])
        update: Float32s = total.mul(-self._terms.learning_rate).cpu().numpy()
        return update
