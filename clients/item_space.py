"""Item vectors of a catalogue: its texts, and the feature columns that the model reads.

The shape of the model fixes the blocks (`BehaviourConfig.modalities`), so a plan fixes them for all
partners. Columns and texts stay at the node.
"""

from __future__ import annotations

from collections.abc import Sequence

from clients.data.features import Features, OtherFeatureEncoderError, features_named
from shared.models.config import BehaviourConfig, ModalityTerms
from shared.models.modalities import Float32s, Modality, fused_item_vectors


def catalogue_vectors(
    encoded: Float32s, features: Sequence[Features], model: BehaviourConfig
) -> Float32s:
    """(N, model.item_dim) item vectors, unit length; zero for an item without any modality.

    Parameters
    ----------
    encoded
        (N, D) encoded texts.
    features
        Feature columns of the same N items; those that the model does not name are ignored.

    Raises
    ------
    NoSuchFeatureError, OtherFeatureEncoderError
        The model names a column that is not there, or was made by another encoder.
    ItemVectorError
        A block is wider than what it is made of.
    """
    blocks = [Modality(name="text", encoded=encoded, dim=model.text_dim)]
    blocks += [_block(terms, features) for terms in model.modalities]
    return fused_item_vectors(blocks, shrinkage=model.whitening)


def _block(terms: ModalityTerms, features: Sequence[Features]) -> Modality:
    found = features_named(terms.name, features)
    if terms.encoder and found.encoder != terms.encoder:
        raise OtherFeatureEncoderError(
            f"made by {found.encoder!r}, not {terms.encoder!r}",
            where=f"feature column {terms.name}",
        )
    return Modality(name=terms.name, encoded=found.vectors, dim=terms.dim, weight=terms.weight)
