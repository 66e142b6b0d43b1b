from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shared.models.errors import ParameterVectorError, SchemaError
from shared.models.parameters import ParameterSchema

SCHEMA = ParameterSchema((("a", (2, 3)), ("b", (4,))))
VECTOR = np.arange(10, dtype=np.float32)
SCHEMA_FINGERPRINT = "a0861ab0cdfb73b868edd4a992ad646b280d9ca28b8f28fb49ab5a3b0e727464"
MODEL_DIGEST = "ec1f279c2dbc9a56f63afdaa8f36f57f6c8498e671881aef7614636ec7c43122"

shapes = hnp.array_shapes(max_dims=3, max_side=4)


@given(st.lists(shapes, max_size=5), st.integers(0, 2**32 - 1))
def test_flatten_and_unflatten_are_inverse(dims: list[tuple[int, ...]], seed: int) -> None:
    schema = ParameterSchema(tuple((f"p{i}", shape) for i, shape in enumerate(dims)))
    vector = np.random.default_rng(seed).standard_normal(schema.size).astype(np.float32)
    arrays = schema.unflatten(vector)
    assert ParameterSchema.of(arrays) == schema
    assert np.array_equal(schema.flatten(arrays), vector)


def test_digest_covers_every_bit_of_values_and_schema() -> None:
    reference = SCHEMA.digest(VECTOR)
    assert reference == SCHEMA.digest(VECTOR.copy())
    changed = VECTOR.copy()
    changed[0] = -0.0
    assert SCHEMA.digest(changed) != reference
    for other in [(("a", (3, 2)), ("b", (4,))), (("a", (2, 3)), ("c", (4,))), (("a", (10,)),)]:
        assert ParameterSchema(other).digest(VECTOR) != reference


def test_digest_and_fingerprint_are_fixed_for_all_releases() -> None:
    assert SCHEMA.fingerprint == SCHEMA_FINGERPRINT
    assert SCHEMA.digest(VECTOR).hex() == MODEL_DIGEST


@pytest.mark.parametrize(
    "vector",
    [
        VECTOR[:9],
        np.append(VECTOR, np.float32(1)),
        VECTOR.reshape(2, 5),
        VECTOR.astype(np.float64),
        np.where(VECTOR == 3, np.float32(np.nan), VECTOR),
        np.where(VECTOR == 3, np.float32(np.inf), VECTOR),
    ],
)
def test_a_vector_that_does_not_fit_is_refused(vector: np.ndarray) -> None:
    for use in (SCHEMA.unflatten, SCHEMA.digest):
        with pytest.raises(ParameterVectorError):
            use(vector)


def test_arrays_that_do_not_fit_are_refused_by_name() -> None:
    good = SCHEMA.unflatten(VECTOR)
    with pytest.raises(SchemaError, match="'b' is missing"):
        SCHEMA.flatten({"a": good["a"]})
    with pytest.raises(SchemaError, match=r"unknown parameters .*'c'"):
        SCHEMA.flatten({**good, "c": good["b"]})
    with pytest.raises(SchemaError, match=r"'a' should be float32 of shape \(2, 3\)"):
        SCHEMA.flatten({**good, "a": good["a"].T})
    with pytest.raises(SchemaError, match="float64"):
        SCHEMA.flatten({**good, "a": good["a"].astype(np.float64)})


@pytest.mark.parametrize("entries", [(("a", (1,)), ("a", (2,))), (("a", (0, 2)),)])
def test_a_schema_that_makes_no_sense_is_refused(
    entries: tuple[tuple[str, tuple[int, ...]]],
) -> None:
    with pytest.raises(SchemaError):
        ParameterSchema(entries)


def test_the_coordinator_needs_no_torch() -> None:
    """Schema, digest, first model and configuration import without torch."""
    modules = "shared.models.parameters, shared.models.behaviour_parameters, shared.models.config"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
