"""``python -m benchmarks.models.modalities``: weak texts, telling images, on generated data.

Titles are cut to their last word (mostly a colour or a number), so that texts say little. An
"image embedding" is drawn around a centre of the item's shelf, as an image encoder would put
alike things together; a fifth of the items has none. What is measured is what needs no training:
the decayed mean of a history's vectors, NDCG@10 on validation items over the whole catalogue.
Generated data show that the path works and masks what is missing; they say nothing about quality.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import torch

from clients.data.dataset import Catalogue, PlatformData
from clients.data.features import Features, read_features
from clients.evaluation.metrics import hit, ndcg, standard_error
from clients.evaluation.ranking import evaluate
from clients.evaluation.split import leave_one_out
from clients.recommenders.content import ContentScorer
from shared.models.config import ContentConfig
from shared.models.content_parameters import initial_content
from shared.models.encoders import load_encoder
from shared.models.modalities import Modality, fused_item_vectors
from simulations.datasets.generated import GeneratorSettings, load_generated

WIDTH, MISSING, NOISE = 32, 0.2, 0.5
SETTINGS = GeneratorSettings(users=(2000,), items=(1000,))


def rows() -> Iterator[dict[str, Any]]:
    """One row a choice of modalities."""
    platform = load_generated(SETTINGS).platforms[0]
    image = _image(platform.catalogue)
    weak = _weak(platform.catalogue)
    encoder = load_encoder("hashed-words")
    texts = {
        name: encoder.encode(c.texts())
        for name, c in (("weak", weak), ("full", platform.catalogue))
    }
    text = {n: Modality(name="text", encoded=t, dim=t.shape[1]) for n, t in texts.items()}
    images = Modality(name="image", encoded=image.vectors, dim=WIDTH)
    choices = {
        "weak text": [text["weak"]],
        "image, a fifth missing": [images],
        "weak text + image": [text["weak"], images],
        "weak text + image, image weighs 4": [text["weak"], replace(images, weight=4.0)],
        "full text": [text["full"]],
        "full text + image": [text["full"], images],
    }
    for name, modalities in choices.items():
        vectors = fused_item_vectors(modalities, shrinkage=0.3)
        yield {"items": name, **profile_figures(vectors, platform)}


def _weak(catalogue: Catalogue) -> Catalogue:
    nothing = ("",) * len(catalogue)
    titles = tuple(title.split()[-1] for title in catalogue.titles)
    return replace(catalogue, titles=titles, categories=nothing, descriptions=nothing)


def _image(catalogue: Catalogue) -> Features:
    """Embeddings around each shelf's centre, by way of the file that a platform would write."""
    random = np.random.default_rng(0)
    shelves, shelf = np.unique(np.array(catalogue.categories), return_inverse=True)
    centres = random.standard_normal((len(shelves), WIDTH))
    vectors = centres[shelf] + NOISE * random.standard_normal((len(catalogue), WIDTH))
    lacking = random.random(len(catalogue)) < MISSING
    cells = [None if gone else row for gone, row in zip(lacking, vectors.tolist(), strict=True)]
    table = pa.table(
        {
            "item_id": list(catalogue.item_ids),
            "image": pa.array(cells, pa.list_(pa.float32(), WIDTH)),
        }
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "features.parquet"
        parquet.write_table(table, path)
        return read_features(path, catalogue)[0]


def profile_figures(
    vectors: np.ndarray[Any, np.dtype[np.float32]], platform: PlatformData
) -> dict[str, Any]:
    """Of the profile alone: the content model before any training, at its mean latent."""
    config = ContentConfig(item_dim=vectors.shape[1], output_gain=1e-6)
    start, fold = initial_content(config, 0), leave_one_out(platform.histories).validation
    scorer = ContentScorer(config, start, torch.from_numpy(vectors), draws=0)
    ranks = evaluate(scorer, fold.contexts, fold.targets).ranks
    values = ndcg(ranks, 10)
    return {
        "ndcg@10": round(float(values.mean()), 4),
        "se": round(standard_error(values), 4),
        "hr@10": round(float(hit(ranks, 10).mean()), 4),
    }


if __name__ == "__main__":
    for row in rows():
        print(json.dumps(row), flush=True)
