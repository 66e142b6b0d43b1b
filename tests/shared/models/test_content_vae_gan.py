"""The VAE-GAN is one mechanism over three networks, and learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shared.models.content_vae_gan import ContentConfig, ContentVAEGAN, Draws, Profiles
from shared.privacy.gradients import PrivateGradient, UnprotectedGradient
from shared.privacy.noise import SecureGaussian
from shared.privacy.sampling import PoissonSampler
from tests.shared.privacy.seeded import SeededGradient
from tests.shared.privacy.toy import clipped_sum, per_user_gradients, released

CONFIG = ContentConfig(item_dim=6, latent_dim=3, hidden_dim=8)


def _profiles(users: int, steps: int = 3, seed: int = 0) -> Profiles:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(users, steps, 6, generator=generator, dtype=torch.float64)
    lengths = torch.randint(0, steps + 1, (users, 1), generator=generator)
    return Profiles(vectors=vectors, mask=(torch.arange(steps)[None] < lengths).double())


def _rows(profiles: Profiles, rows: slice) -> Profiles:
    return Profiles(vectors=profiles.vectors[rows], mask=profiles.mask[rows])


@pytest.mark.parametrize("bound", [0.1, 1e6])
def test_one_backward_pass_gives_every_users_joint_gradient(bound: float) -> None:
    model, profiles = ContentVAEGAN(CONFIG).double(), _profiles(6)
    draws = Draws.sample(profiles, 3)
    losses = []
    for user in range(6):
        row = slice(user, user + 1)
        own = Draws(posterior=draws.posterior[row], prior=draws.prior[row])
        losses.append(model.loss_per_user(_rows(profiles, row), own))
    expected = clipped_sum(per_user_gradients(model, losses), bound)
    gradient = SeededGradient(model, clipping_norm=bound)
    with gradient.recording():
        per_user = model.loss_per_user(profiles, draws)
    gradient.backward(per_user)
    torch.testing.assert_close(released(model), expected)


def test_all_three_networks_are_noised_once() -> None:
    """One draw over all parameters; a network left out would be released without protection."""
    model, profiles = ContentVAEGAN(CONFIG).double(), _profiles(0)
    gradient = SeededGradient(model, clipping_norm=1.0, noise_multiplier=1.0)
    gradient.backward(model.loss_per_user(profiles))
    for network in (model.encoder, model.generator, model.discriminator):
        norms = [p.grad.norm().item() for p in network.parameters() if p.grad is not None]
        assert len(norms) == 6
        assert min(norms) > 0


def test_one_user_moves_all_three_networks_together_by_the_clipping_norm_at_most() -> None:
    model = ContentVAEGAN(CONFIG).double()
    gradient = SeededGradient(model, clipping_norm=0.3)
    with gradient.recording():
        losses = model.loss_per_user(_profiles(1, seed=3))
    gradient.backward(losses)
    assert released(model).norm() <= 0.3 * (1 + 1e-9)


class _Networks(nn.Module):
    """Gradients of the two sides of the loss, seen from outside."""

    def __init__(self, model: ContentVAEGAN) -> None:
        super().__init__()
        self.model = model

    def sides(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.model._encode(x)
        generated = self.model.generator(torch.cat([mean, mean], 1))
        generation = self.model._generation_loss(x, mean, log_variance, generated)
        return generation.sum(), self.model._discrimination_loss(x, generated.detach()).sum()


def test_each_side_of_the_loss_trains_its_own_networks_only() -> None:
    model = ContentVAEGAN(CONFIG).double()
    generation, discrimination = _Networks(model).sides(_profiles(4).vectors)
    own, other = list(model.discriminator.parameters()), list(model.generator.parameters())
    for loss, untouched in ((generation, own), (discrimination, other)):
        found = torch.autograd.grad(loss, untouched, allow_unused=True, retain_graph=True)
        assert found == (None,) * 6


def test_a_users_loss_depends_on_that_user_alone() -> None:
    model, profiles = ContentVAEGAN(CONFIG).double(), _profiles(5)
    draws = Draws.sample(profiles, 3)
    changed = profiles.vectors.clone()
    changed[1:] += 10
    before = model.loss_per_user(profiles, draws)
    after = model.loss_per_user(Profiles(vectors=changed, mask=profiles.mask), draws)
    torch.testing.assert_close(before[0], after[0])


def test_generated_content_and_weights_are_reproducible_from_public_seeds() -> None:
    first, second = (
        ContentVAEGAN(CONFIG, seed=5).generate(4, torch.Generator().manual_seed(1)) for _ in "ab"
    )
    assert torch.equal(first, second)
    assert first.shape == (4, 6)


def _taste(users: int) -> Profiles:
    """Users around three tastes."""
    generator = torch.Generator().manual_seed(0)
    centres = 2 * torch.randn(3, 6, generator=generator)
    kind = torch.randint(0, 3, (users,), generator=generator)
    return Profiles.single(centres[kind] + 0.1 * torch.randn(users, 6, generator=generator))


def _train(model: ContentVAEGAN, gradient: PrivateGradient | UnprotectedGradient) -> float:
    """Share of the variance that reconstruction explains after 150 steps."""
    profiles = _taste(2000)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.99))
    for rows in PoissonSampler(0.1, 2000).batches(150):
        chosen = torch.from_numpy(rows)
        batch = Profiles(vectors=profiles.vectors[chosen], mask=profiles.mask[chosen])
        with gradient.recording():
            losses = model.loss_per_user(batch)
        gradient.backward(losses)
        optimizer.step()
    error = (model.reconstruct(profiles) - profiles.vectors).square().sum()
    spread = (profiles.vectors - profiles.vectors.mean(0)).square().sum()
    return 1 - (error / spread).item()


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
    assert _train(plain, UnprotectedGradient(plain)) > 0.5
    assert _train(private, protected) > 0.3
