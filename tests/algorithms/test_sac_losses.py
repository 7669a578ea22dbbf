"""SAC's losses by hand and against torch, and what a gradient step makes of them."""

import math

import numpy as np
import pytest
import torch
from torch import distributions, nn

from reactvec.algorithms.draws import Draws
from reactvec.algorithms.sac import actor_loss, alpha_loss, critic_loss, frozen, soft_targets, squashed_sample
from tests.algorithms.agents import small_sac as small


def test_samples_by_hand():
    outputs = torch.tensor([[0.0, 0.0], [0.5, math.log(2.0)], [50.0, 0.0]])
    actions, log_probs = squashed_sample(outputs, torch.tensor([[1.0], [-1.0], [0.0]]))
    np.testing.assert_allclose(actions[:, 0], np.tanh([1.0, -1.5, 50.0]))
    normal = -0.5 * math.log(2 * math.pi)
    by_hand = [
        normal - 0.5 - math.log(1 - math.tanh(1.0) ** 2),
        normal - 0.5 - math.log(2.0) - math.log(1 - math.tanh(1.5) ** 2),
        normal + 100 - 2 * math.log(2.0),  # 1 - tanh(50)^2 is 4 exp(-100)
    ]
    np.testing.assert_allclose(log_probs, by_hand, rtol=1e-6)


def test_samples_and_their_gradients_against_torch():
    draws = Draws(3, "test")
    outputs = torch.from_numpy(draws.normal(np.arange(32)[:, None], np.arange(6)).astype(np.float32)).requires_grad_()
    noise = torch.from_numpy(draws.normal(99, np.arange(32)[:, None], np.arange(3)).astype(np.float32))
    actions, log_probs = squashed_sample(outputs, noise)
    (ours,) = torch.autograd.grad((actions.sum(1) * 0.3 + log_probs).sum(), outputs)
    mean, log_std = outputs.chunk(2, 1)
    squashed = distributions.TransformedDistribution(
        distributions.Normal(mean, log_std.exp()), distributions.TanhTransform(cache_size=1)
    )
    theirs_actions = torch.tanh(mean + log_std.exp() * noise)
    squashed.transforms[0]._cached_x_y = mean + log_std.exp() * noise, theirs_actions
    theirs_log_probs = squashed.log_prob(theirs_actions).sum(1)
    torch.testing.assert_close(actions, theirs_actions)
    torch.testing.assert_close(log_probs, theirs_log_probs, rtol=1e-4, atol=1e-4)
    (theirs,) = torch.autograd.grad((theirs_actions.sum(1) * 0.3 + theirs_log_probs).sum(), outputs)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_targets_by_hand():
    values = torch.tensor([[10.0, 20.0], [5.0, 1.0], [7.0, 8.0]])
    returns, discounts = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.9, 0.0])
    targets = soft_targets(returns, discounts, values, torch.tensor([-1.0, 2.0, 5.0]), torch.tensor(0.5))
    np.testing.assert_allclose(targets, [1 + 0.5 * 10.5, 2 + 0.9 * 0.0, 3.0])


def test_critic_loss_by_hand():
    values = torch.tensor([[1.0, 3.0], [2.0, 2.0]], requires_grad=True)
    loss = critic_loss(values, torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.25]))
    loss.backward()
    assert loss.item() == pytest.approx(0.5 * ((1 + 1) / 2 + (1 + 1) / 2))
    np.testing.assert_allclose(values.grad, [[-0.5, 0.5], [0.25, 0.25]])


def test_actor_loss_by_hand():
    values = torch.tensor([[1.0, 3.0], [2.0, -2.0]], requires_grad=True)
    log_probs = torch.tensor([0.5, -1.0], requires_grad=True)
    loss = actor_loss(values, log_probs, torch.tensor(0.1))
    loss.backward()
    assert loss.item() == pytest.approx((0.05 - 1 - 0.1 + 2) / 2)
    np.testing.assert_allclose(values.grad, [[-0.5, 0], [0, -0.5]])
    np.testing.assert_allclose(log_probs.grad, [0.05, 0.05])


def test_alpha_loss_by_hand():
    """An entropy of 2 above a target of -1 makes alpha fall; log-probabilities get no gradient."""
    log_alpha, log_probs = torch.tensor(0.5, requires_grad=True), torch.tensor([-1.0, -3.0], requires_grad=True)
    loss = alpha_loss(log_alpha, log_probs, -1.0)
    loss.backward()
    assert loss.item() == pytest.approx(-0.5 * (-2 - 1))
    assert log_alpha.grad.item() == pytest.approx(3.0)
    assert log_probs.grad is None


def test_truncation_bootstraps_from_the_final_observation():
    with small(env_config={"max_episode_steps": 5}, num_envs=2).build_algo() as algorithm:
        algorithm.train_steps(100)
        ring = algorithm.replay.ring
        assert set(ring.ends[:50].ravel()) == {0, 2}
        batch = ring.gather(np.arange(100), 1, 0.5)
        assert (batch.discounts == 0.5).all()
        truncated = ring.ends.reshape(-1)[:98] == 2
        assert not (batch.next_observations[:98] == batch.observations[2:])[truncated].all(1).any()
        assert (batch.next_observations[:98] == batch.observations[2:])[~truncated].all()


def minibatch(algorithm, rows=16):
    """Random tensors as `learn_batch` takes them."""
    draws = Draws(1, "minibatch of a test")

    def normal(number, *shape):
        values = draws.normal(number, np.arange(math.prod(shape))).reshape(shape)
        return torch.from_numpy(values.astype(np.float32))

    ones = torch.ones(rows)
    return (
        normal(0, rows, 3),
        normal(1, rows, 1).tanh(),
        normal(2, rows),
        0.9 * ones,
        normal(3, rows, 3),
        ones,
        normal(4, 2, rows, 1),
    )


def test_a_gradient_step_has_the_gradients_of_the_three_losses():
    """Critics learn from their own loss alone, and the actor through critics that stand still."""
    with small().build_algo() as algorithm:
        learner, module = algorithm.learner, algorithm.learner.module
        batch = minibatch(algorithm)
        observations, actions, returns, discounts, after, importance, noise = batch
        alpha = module.alpha().detach()
        with torch.no_grad():
            following, log_probs = squashed_sample(module.actor(after), noise[0])
            targets = soft_targets(returns, discounts, learner.target(after, following), log_probs, alpha)
        values = module.critics(observations, actions)
        drawn, log_probs = squashed_sample(module.actor(observations), noise[1])
        losses = (
            (module.actor, actor_loss(module.critics(observations, drawn), log_probs, alpha)),
            (module.critics, critic_loss(values, targets, importance)),
            (module.alpha, alpha_loss(module.alpha.log, log_probs, -1.0)),
        )
        gradients = [torch.autograd.grad(loss, list(part.parameters()), retain_graph=True) for part, loss in losses]
        wanted = torch.cat([gradient.reshape(-1) for part in gradients for gradient in part])
        errors = learner.learn_batch(*batch)
        torch.testing.assert_close(learner.parameters.trainable.grad, wanted)
        torch.testing.assert_close(errors, (values.detach() - targets[:, None]).abs().mean(1))
        assert all(weights.requires_grad for weights in module.parameters())


def test_what_is_frozen_thaws_after_an_error_and_stays_frozen_where_it_was():
    net = nn.Linear(2, 1)
    net.bias.requires_grad_(False)
    with frozen(net):
        assert not net.weight.requires_grad
    assert net.weight.requires_grad
    with pytest.raises(RuntimeError, match="mat1 and mat2"), frozen(net):
        net(torch.zeros(1, 3))
    assert net.weight.requires_grad
    assert not net.bias.requires_grad


def test_target_critics_follow():
    with small(tau=0.25).build_algo() as algorithm:
        learner = algorithm.learner
        before = learner.target_parameters.numpy().copy()
        np.testing.assert_array_equal(before, learner.critics[0].numpy())
        learner.learn_batch(*minibatch(algorithm))
        critics = learner.critics[0].numpy()
        assert not np.array_equal(critics, before)
        np.testing.assert_allclose(learner.target_parameters.numpy(), 0.75 * before + 0.25 * critics, atol=1e-6)


@pytest.mark.parametrize("part", ["actor", "critic", "alpha"])
def test_each_part_has_its_learning_rate(part):
    with small(**{f"{part}_lr": ((0, 0.0), (10_000, 0.0))}, lr=((0, 1e-3), (400, 0.0))).build_algo() as algorithm:
        begin = {name: value.copy() for name, value in algorithm.get_weights().items()}
        algorithm.train_steps(200)
        assert sorted(algorithm.learner.current_lrs) == pytest.approx([0, 5e-4, 5e-4])
        for name, value in algorithm.get_weights().items():
            assert np.array_equal(value, begin[name]) == name.startswith(part), name


def test_gradients_are_limited_part_by_part():
    with small(grad_clip=1e-3).build_algo() as algorithm:
        algorithm.learner.learn_batch(*minibatch(algorithm))
        norms = [float(part.grad.norm()) for part in algorithm.learner.parts]
        assert norms == pytest.approx([1e-3] * 3, rel=0.01)
