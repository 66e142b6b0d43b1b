"""An approximate index over item vectors: which items have the largest inner products with a query.

An inverted file (Jégou, Douze & Schmid, PAMI 2011) by faiss: k-means cells over the vectors, each
vector stored as what it differs from its cell's centre, one byte a dimension; a query looks into
the cells nearest to it. An item's bias is one more dimension, so it counts in the search; zeros
fill up to a multiple of `ALIGNED`, without which faiss reads vectors number by number.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from clients.data.dataset import Int64s
from clients.recommenders.base import Float32s
from clients.retrieval.errors import UnusableIndexError
from shared.models.item_matrix import ItemMatrix

INDEX_FROM: Final = 200_000
"""Items from which on a node finds candidates by an index, unless it chooses otherwise."""
SEED: Final = 20
TRAINED_ON: Final = 64
"""Vectors a cell that k-means looks at."""
ROUNDS: Final = 10
PORTION: Final = 1 << 16
ALIGNED: Final = 16


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """Items by inner product; make one with `build` or `load`.

    Attributes
    ----------
    cells
        The index of faiss.
    """

    cells: Any

    @classmethod
    def build(cls, vectors: Float32s, bias: Float32s | None) -> VectorIndex:
        """Index a catalogue.

        Parameters
        ----------
        vectors
            (N, d) item vectors.
        bias
            (N,) added to each inner product, or None.
        """
        import faiss

        count, dim = vectors.shape
        number = cells_for(count)
        wide = width_of(dim)
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(wide),
            wide,
            number,
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
        )
        index.cp.niter, index.cp.seed = ROUNDS, SEED
        index.cp.min_points_per_centroid = 1
        sample = np.random.default_rng(SEED).permutation(count)[: TRAINED_ON * number]
        index.train(_with_bias(vectors, bias, np.sort(sample)))
        for start in range(0, count, PORTION):
            index.add(_with_bias(vectors, bias, np.arange(start, min(start + PORTION, count))))
        return cls(index)

    def __len__(self) -> int:
        return int(self.cells.ntotal)

    def search(self, queries: Float32s, most: int, probes: int) -> list[Int64s]:
        """About the `most` items with the largest logits for each query, best first.

        Parameters
        ----------
        queries
            (B, d).
        probes
            Cells looked into; more find more and take longer.
        """
        self.cells.nprobe = min(probes, int(self.cells.nlist))
        wide = _widened(queries, np.ones(len(queries), dtype=np.float32))
        _, found = self.cells.search(wide, min(most, len(self)))
        return [row[row >= 0] for row in found]  # -1 where the cells held fewer

    def store(self, path: Path) -> None:
        """Write the index to a new file."""
        import faiss

        faiss.write_index(self.cells, str(path))

    @classmethod
    def load(cls, path: Path, items: int, dim: int) -> VectorIndex:
        """Read what `store` wrote; its hash was checked before.

        Raises
        ------
        UnusableIndexError
            It is not an index of `items` items of `dim` dimensions.
        """
        import faiss

        faiss.omp_set_num_threads(1)  # one request never waits for the threads of another
        try:
            cells = faiss.read_index(str(path))
        except RuntimeError as error:
            raise UnusableIndexError("faiss cannot read it", where=str(path)) from error
        if (cells.ntotal, cells.d) != (items, width_of(dim)):
            problem = f"{cells.ntotal} items of width {cells.d}, not {items} of {width_of(dim)}"
            raise UnusableIndexError(problem, where=str(path))
        return cls(cells)


def index_of(items: ItemMatrix) -> VectorIndex:
    """An index over the items of a behaviour model."""
    bias = None if items.bias is None else items.bias.numpy()
    return VectorIndex.build(items.vectors.numpy(), bias)


def width_of(dim: int) -> int:
    """Numbers that the index keeps of an item of `dim` dimensions."""
    return -(-(dim + 1) // ALIGNED) * ALIGNED


def cells_for(items: int) -> int:
    """Number of cells: a power of two near the square root of the number of items."""
    return int(2 ** round(np.log2(max(items, 1)) / 2))


def _with_bias(vectors: Float32s, bias: Float32s | None, rows: Int64s) -> Float32s:
    extra = np.zeros(len(rows), dtype=np.float32) if bias is None else bias[rows]
    return _widened(vectors[rows], extra)


def _widened(vectors: Float32s, extra: Float32s) -> Float32s:
    """(B, width) rows: vector, one more number, zeros."""
    count, dim = vectors.shape
    wide = np.zeros((count, width_of(dim)), dtype=np.float32)
    wide[:, :dim], wide[:, dim] = vectors, extra
    return wide
