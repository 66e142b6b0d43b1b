"""A node trains on another device without mixing devices, to what the CPU would have come to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from clients.charge import charge_of
from clients.evaluation.split import leave_one_out
from clients.local_round import LocalRound
from clients.training import local, personalise, shared_step, tune_content
from clients.training.batches import TrainingSet
from clients.training.config import PersonalisationConfig, TrainingConfig
from clients.training.device import HOST, Compute, NoDeviceError
from clients.training.personalise import PersonalModel
from clients.training.tune_content import ContentModel, ContentTuning
from shared.config import parse
from shared.errors import ConfigError
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import ContentConfig
from shared.models.content_parameters import initial_content
from shared.models.item_matrix import ItemMatrix
from shared.plan import ContentTerms, LocalSteps, PrivacyTerms, TrainingPlan
from shared.privacy import banded
from shared.privacy.gradients import PrivateGradient
from tests.clients.training.worlds import CONFIG, cyclic_platform, item_vectors_of
from tests.federation import MODEL, training_data
from tests.plans import make_plan
from tests.shared.pretend_device import PretendDevice

SPLIT = leave_one_out(cyclic_platform())
VECTORS = item_vectors_of()
STEPS = LocalSteps(steps=2, batch_users=16)


class _Noise:
    """Noise and batches that come again: the real ones must not."""

    def __init__(self) -> None:
        self._random = torch.Generator().manual_seed(0)

    def draw(self, count: int) -> Tensor:
        drawn = torch.randn(count, generator=self._random)
        assert drawn.device.type == "cpu"
        return drawn


class _Everybody:
    """A batch of the first half, every time."""

    def __init__(self, rate: float, users: int) -> None:
        self._users = users

    def draw(self) -> np.ndarray:
        return np.arange(self._users // 2)

    def batches(self, steps: int) -> Iterator[np.ndarray]:
        return (self.draw() for _ in range(steps))


@pytest.fixture(autouse=True)
def _repeatable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(local, "SecureGaussian", _Noise)
    monkeypatch.setattr(PrivateGradient, "_check_noise", lambda *_: None)
    for module in (local, shared_step, banded):
        monkeypatch.setattr(module, "PoissonSampler", _Everybody)
    # a pretended tensor cannot take the place of a parameter's data: parameters are made anew
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    yield
    torch.__future__.set_overwrite_module_params_on_conversion(before)


def _plan(bands: int = 1) -> TrainingPlan:
    content = ContentConfig(item_dim=MODEL.item_dim, latent_dim=4, hidden_dim=8)
    return make_plan(
        rounds=2,
        model=MODEL,
        local=STEPS,
        content=None if bands > 1 else ContentTerms(model=content, local=STEPS),
        privacy=PrivacyTerms(epsilon=4.0, bands=bands),
    )


def _rounds(compute: Compute, again: Compute, bands: int = 1) -> list[dict[str, np.ndarray]]:
    """Two rounds, the second by another process on the device `again`."""
    torch.manual_seed(0)
    plan = _plan(bands)
    partner, data = plan.partners[0], training_data(1)
    charge, start = charge_of(plan, partner), plan.initial_model()
    first = LocalRound(plan, partner, data, charge, compute).run(start, {})
    second = LocalRound(plan, partner, data, charge, again).run(start, first)
    return [first, second]


def _shared(compute: Compute) -> np.ndarray:
    examples = TrainingSet(SPLIT.training, CONFIG.history_length)
    terms = local.StepTerms(sample_rate=0.5, expected_batch_size=40)
    items = ItemMatrix(vectors=VECTORS)
    step = shared_step.SharedStep(CONFIG, examples, items, terms, 0.5, compute)
    return step.run(initial_parameters(CONFIG, 0))


def _personal(compute: Compute) -> PersonalModel:
    settings = PersonalisationConfig(batch_users=32, max_steps=6, check_every=3, residual_rate=0.05)
    start = initial_parameters(CONFIG, 0)
    return personalise.personalise(
        CONFIG, start, VECTORS, SPLIT.training, SPLIT.validation, settings, compute=compute
    )


def _content(compute: Compute) -> ContentModel:
    config = ContentConfig(item_dim=16, latent_dim=4, hidden_dim=16)
    tuning = ContentTuning(batch_users=32, max_steps=6, check_every=3)
    start = initial_content(config, 0)
    return tune_content.tune_content(
        config, start, VECTORS, SPLIT.training, SPLIT.validation, tuning, compute=compute
    )


def _same(found: list[dict[str, np.ndarray]], expected: list[dict[str, np.ndarray]]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert type(value) is np.ndarray
            assert value.dtype == np.float32
            np.testing.assert_allclose(value, other[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("bands", [1, 2])
def test_a_private_round_mixes_no_devices_and_goes_on_on_another(bands: int) -> None:
    expected = _rounds(HOST, HOST, bands)
    assert expected[0]["update"].any()
    with PretendDevice() as device:
        there = Compute(device)
        _same(_rounds(there, there, bands), expected)
        _same(_rounds(there, HOST, bands), expected)
        _same(_rounds(HOST, there, bands), expected)


def test_a_shared_step_mixes_no_devices() -> None:
    expected = _shared(HOST)
    assert expected.any()
    with PretendDevice() as device:
        np.testing.assert_allclose(_shared(Compute(device)), expected, atol=1e-7)


def test_personalising_mixes_no_devices() -> None:
    expected = _personal(HOST)
    assert expected.steps > 0, "nothing was learned that could differ"
    with PretendDevice() as device:
        found = _personal(Compute(device))
    assert found.validation == pytest.approx(expected.validation)
    np.testing.assert_allclose(found.parameters, expected.parameters, atol=1e-6)
    assert type(found.items.vectors) is Tensor
    torch.testing.assert_close(found.items.vectors, expected.items.vectors)


def test_tuning_the_content_model_mixes_no_devices() -> None:
    expected = _content(HOST)
    with PretendDevice() as device:
        found = _content(Compute(device))
    assert found.validation == pytest.approx(expected.validation)
    np.testing.assert_allclose(found.parameters, expected.parameters, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("bands", [1, 2])
def test_a_round_on_a_gpu_is_the_cpu_s_but_for_rounding(bands: int) -> None:
    gpu = Compute.named("cuda")
    expected = _rounds(HOST, HOST, bands)
    # the content model draws its latents where it lies, so only the behaviour model's part agrees
    behaviour = len(initial_parameters(MODEL, 0))
    for found, other in zip(_rounds(gpu, HOST, bands), expected, strict=True):
        np.testing.assert_allclose(
            found["update"][:behaviour], other["update"][:behaviour], rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("count", [0, 2])
def test_auto_takes_what_torch_sees(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert Compute.named("auto").device.type == ("cuda" if count else "cpu")
    assert Compute.named("cpu") == HOST
    for name in ("cuda", "cuda:1") if not count else ("cuda:2",):
        with pytest.raises(NoDeviceError, match=f"sees {count} CUDA") as caught:
            Compute.named(name)
        assert "auto" in caught.value.remedy
    if count:
        assert Compute.named("cuda:1").device == torch.device("cuda", 1)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:01", "CPU", "mps", "meta", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="device"):
        parse(TrainingConfig, {"device": name}, where="node.toml")
    with pytest.raises(NoDeviceError, match="auto, cpu, cuda"):
        Compute.named(name)
