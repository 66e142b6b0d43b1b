"""The VAE-GAN is one mechanism over three networks, and learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from shared.models.config import ContentConfig
from shared.models.content_parameters import content_schema, initial_content
from shared.models.content_vae_gan import ContentVAEGAN, Draws, Losses, Profiles
from shared.models.item_matrix import ItemMatrix, SeenItems
from shared.models.torch_parameters import read_vector, schema_of
from shared.privacy.gradients import PrivateGradient, UnprotectedGradient
from shared.privacy.noise import SecureGaussian
from shared.privacy.sampling import PoissonSampler
from tests.shared.privacy.seeded import SeededGradient
from tests.shared.privacy.toy import clipped_sum, per_user_gradients, released

CONFIG = ContentConfig(item_dim=6, latent_dim=3, hidden_dim=8, profiles_per_user=3)
ITEMS = ItemMatrix(
    vectors=F.normalize(torch.randn(20, 6, generator=torch.Generator().manual_seed(9)), dim=1)
)
WIDE = ItemMatrix(vectors=ITEMS.vectors.double())


def _profiles(users: int, steps: int = 3, seed: int = 0) -> Profiles:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(users, steps, 6, generator=generator, dtype=torch.float64)
    lengths = torch.randint(0, steps + 1, (users, 1), generator=generator)
    return Profiles(
        vectors=F.normalize(vectors, dim=-1),
        following=torch.randint(0, 20, (users, steps), generator=generator),
        mask=(torch.arange(steps)[None] < lengths).double(),
        seen=SeenItems.none(),
    )


def _rows(profiles: Profiles, rows: slice | Tensor) -> Profiles:
    return Profiles(
        vectors=profiles.vectors[rows],
        following=profiles.following[rows],
        mask=profiles.mask[rows],
        seen=SeenItems.none(),
    )


def test_the_schema_without_torch_is_that_of_the_model() -> None:
    model = ContentVAEGAN(CONFIG, seed=3)
    assert schema_of(model) == content_schema(CONFIG)
    assert (read_vector(model) == initial_content(CONFIG, 3)).all()


@pytest.mark.parametrize("bound", [0.1, 1e6])
def test_one_backward_pass_gives_every_users_joint_gradient(bound: float) -> None:
    model, profiles = ContentVAEGAN(CONFIG).double(), _profiles(6)
    draws = Draws.sample(profiles, 3)
    losses = []
    for user in range(6):
        row = slice(user, user + 1)
        own = Draws(posterior=draws.posterior[row], prior=draws.prior[row])
        losses.append(model.loss_per_user(_rows(profiles, row), WIDE, draws=own))
    expected = clipped_sum(per_user_gradients(model, losses), bound)
    gradient = SeededGradient(model, clipping_norm=bound)
    with gradient.recording():
        per_user = model.loss_per_user(profiles, WIDE, draws=draws)
    gradient.backward(per_user)
    torch.testing.assert_close(released(model), expected)


def test_all_three_networks_are_noised_once() -> None:
    """One draw over all parameters; a network left out would be released without protection."""
    model, profiles = ContentVAEGAN(CONFIG).double(), _profiles(0)
    gradient = SeededGradient(model, clipping_norm=1.0, noise_multiplier=1.0)
    gradient.backward(model.loss_per_user(profiles, WIDE))
    for network in (model.encoder, model.generator, model.discriminator):
        norms = [p.grad.norm().item() for p in network.parameters() if p.grad is not None]
        assert len(norms) == 6
        assert min(norms) > 0


def test_one_user_moves_all_three_networks_together_by_the_clipping_norm_at_most() -> None:
    model = ContentVAEGAN(CONFIG).double()
    gradient = SeededGradient(model, clipping_norm=0.3)
    with gradient.recording():
        losses = model.loss_per_user(_profiles(1, seed=3), WIDE)
    gradient.backward(losses)
    assert released(model).norm() <= 0.3 * (1 + 1e-9)


def _summands(users: int) -> tuple[ContentVAEGAN, Losses]:
    model = ContentVAEGAN(CONFIG).double()
    return model, model.losses(_profiles(users), WIDE)


def test_each_side_of_the_loss_trains_its_own_networks_only() -> None:
    model, losses = _summands(4)
    own = list(model.discriminator.parameters())
    others = [*model.encoder.parameters(), *model.generator.parameters()]
    generation = losses.reconstruction + losses.divergence + losses.fooling
    for loss, untouched in ((generation, own), (losses.discrimination, others)):
        found = torch.autograd.grad(loss.sum(), untouched, allow_unused=True, retain_graph=True)
        assert found == (None,) * len(untouched)


def test_a_users_loss_depends_on_that_user_alone() -> None:
    model, profiles = ContentVAEGAN(CONFIG).double(), _profiles(5)
    draws = Draws.sample(profiles, 3)
    changed = _profiles(5, seed=8)
    changed.vectors[0], changed.following[0] = profiles.vectors[0], profiles.following[0]
    changed.mask[0] = profiles.mask[0]
    before = model.loss_per_user(profiles, WIDE, draws=draws)
    after = model.loss_per_user(changed, WIDE, draws=draws)
    torch.testing.assert_close(before[0], after[0])


def test_content_starts_near_the_profile_and_moves_with_the_latent() -> None:
    model, x = ContentVAEGAN(CONFIG).double(), _profiles(4).vectors
    start = model.content(x, torch.zeros(4, 3, 3).double())
    assert F.cosine_similarity(start, x, dim=-1).min() > 0.99
    assert not torch.allclose(start, model.content(x, torch.ones(4, 3, 3).double()))


def _habits(users: int) -> Profiles:
    """Users of three kinds; each kind takes an item that is not the one most like its profile."""
    generator = torch.Generator().manual_seed(0)
    kind = torch.randint(0, 3, (users,), generator=generator)
    noise = 0.1 * torch.randn(users, 6, generator=generator)
    vectors = F.normalize(ITEMS.vectors[kind] + noise, dim=-1)
    following = torch.tensor([10, 11, 12])[kind]
    return Profiles(
        vectors=vectors[:, None],
        following=following[:, None],
        mask=torch.ones(users, 1),
        seen=SeenItems.none(),
    )


def _train(model: ContentVAEGAN, gradient: PrivateGradient | UnprotectedGradient) -> float:
    """By how many nats the users' next items became likelier in 100 steps."""
    profiles = _habits(1000)

    @torch.no_grad()
    def surprise() -> float:
        mean, _ = model.posterior(profiles.vectors)
        content = model.content(profiles.vectors, mean)
        return float(model.reconstruction(content, profiles, ITEMS).mean())

    before = surprise()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.99))
    for rows in PoissonSampler(0.2, 1000).batches(100):
        with gradient.recording():
            losses = model.loss_per_user(_rows(profiles, torch.from_numpy(rows)), ITEMS)
        gradient.backward(losses)
        optimizer.step()
    return before - surprise()


def test_it_learns_with_and_without_noise() -> None:
    torch.manual_seed(0)
    plain, private = ContentVAEGAN(CONFIG), ContentVAEGAN(CONFIG)
    protected = PrivateGradient(
        private,
        clipping_norm=1.0,
        noise_multiplier=1.0,
        expected_batch_size=200,
        noise=SecureGaussian(),
    )
    assert _train(plain, UnprotectedGradient(plain, expected_batch_size=200)) > 3
    assert _train(private, protected) > 1
