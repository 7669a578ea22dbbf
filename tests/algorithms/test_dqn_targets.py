"""What DQN fits values to: targets and losses by hand, and when the target network follows."""

import numpy as np
import pytest
import torch

from reactvec.algorithms import DQN, dqn_loss, dqn_targets
from tests.algorithms.agents import small


def test_targets_by_hand():
    returns, discounts = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.9, 0.0])
    target = torch.tensor([[10.0, 20.0], [5.0, 1.0], [7.0, 8.0]])
    online = torch.tensor([[3.0, 2.0], [0.0, 1.0], [9.0, 8.0]])
    np.testing.assert_allclose(dqn_targets(returns, discounts, target, target), [11.0, 6.5, 3.0])
    np.testing.assert_allclose(dqn_targets(returns, discounts, target, online), [6.0, 2.9, 3.0])


def test_loss_by_hand():
    """Huber: half the square of an error up to 1, beyond it the error less a half."""
    predicted = torch.tensor([0.0, 0.0, 2.0], requires_grad=True)
    loss = dqn_loss(predicted, torch.tensor([0.5, 3.0, 2.0]), torch.tensor([1.0, 0.5, 0.7]))
    loss.backward()
    assert loss.item() == pytest.approx((1.0 * 0.125 + 0.5 * 2.5 + 0.7 * 0) / 3)
    np.testing.assert_allclose(predicted.grad, [-0.5 / 3, -0.5 / 3, 0], rtol=1e-6)


def test_td_errors_are_those_before_the_gradient_step():
    with small().build_algo() as algorithm:
        learner, space = algorithm.learner, algorithm.observation_space
        before, after = (torch.from_numpy(np.stack([space.sample() for _ in range(3)])).clamp(-1, 1) for _ in "ab")
        actions, returns, discounts = (
            torch.tensor([[0], [1], [0]]),
            torch.tensor([1.0, 2.0, 3.0]),
            torch.full((3,), 0.5),
        )
        with torch.no_grad():  # both networks are still the same
            targets = returns + 0.5 * learner.module(after).max(1).values
            expected = learner.module(before).gather(1, actions).squeeze(1) - targets
        weights = learner.parameters.numpy().copy()
        errors = learner.learn_batch(before, actions, returns, discounts, after, torch.zeros(3))
        np.testing.assert_allclose(errors, expected, rtol=1e-6)
        np.testing.assert_array_equal(learner.parameters.numpy(), weights)  # nothing counts, nothing is learned
        learner.learn_batch(before, actions, returns, discounts, after, torch.ones(3))
        assert not np.array_equal(learner.parameters.numpy(), weights)


class Forgetful(torch.nn.Sequential):
    """A model of the user whose passes differ while it is in training."""

    def __init__(self, observation_space, action_space):
        super().__init__(torch.nn.Linear(4, 64), torch.nn.Dropout(), torch.nn.Linear(64, 2))


def test_the_target_network_forgets_nothing():
    with small(model=Forgetful).build_algo() as algorithm:
        algorithm.train_steps(400)
        with torch.no_grad():
            one, other = (algorithm.learner.target(torch.ones(5, 4)) for _ in range(2))
        assert torch.equal(one, other)
        assert algorithm.get_module().training


def test_target_updates_go_on_where_they_stopped(tmp_path):
    """Saving moves nothing, and updates that are due when a training is saved are made up for when it goes on."""
    settings = {"num_envs": 4, "train_freq": 1000, "target_network_update_freq": 10, "tau": 0.25}
    with small(**settings).build_algo() as algorithm:
        algorithm.learner.parameters.load(np.ones(algorithm.learner.parameters.values.numel()))
        algorithm.learner.target_parameters.load(np.zeros(algorithm.learner.parameters.values.numel()))
        algorithm.train_steps(28)
        path = algorithm.save_to_path(tmp_path / "saved")
        assert not algorithm.learner.target_parameters.numpy().any()
    with DQN.from_checkpoint(path) as restored:
        assert not restored.learner.target_parameters.numpy().any()
        restored.train_steps(4)
        restored.learner.sync_target(restored.progress.steps)
        assert (restored.learner.target_parameters.numpy() == 1 - 0.75**3).all()


def target_after(steps, **settings):
    """The target's weights after each of some steps of 4 environments; online they are 1, and 0 in the target."""
    with small(num_envs=4, train_freq=1000, **settings).build_algo() as algorithm:
        learner, values = algorithm.learner, []
        learner.parameters.load(np.ones(learner.parameters.values.numel()))
        learner.target_parameters.load(np.zeros(learner.parameters.values.numel()))
        for _ in range(steps):
            algorithm.train_steps(4)
            learner.sync_target(algorithm.progress.steps)
            assert len(set(learner.target_parameters.numpy().tolist())) == 1
            values.append(float(learner.target_parameters.numpy()[0]))
    return values


def test_hard_updates_come_at_multiples_of_environment_steps():
    assert target_after(4, target_network_update_freq=10) == [0, 0, 1, 1]  # 4, 8, 12, 16 steps
    assert target_after(3, target_network_update_freq=4) == [1, 1, 1]


def test_soft_updates_move_by_a_share_for_each_that_is_due():
    assert target_after(5, target_network_update_freq=10, tau=0.25) == [0, 0, 0.25, 0.25, 1 - 0.75**2]
    assert target_after(2, target_network_update_freq=2, tau=0.5) == [0.75, 1 - 0.25**2]  # two in each step


def test_truncation_bootstraps_from_the_final_observation():
    with small(env_config={"max_episode_steps": 5}, num_envs=2).build_algo() as algorithm:
        algorithm.train_steps(100)
        ring = algorithm.replay.ring
        assert set(ring.ends[ring.filled - 50 : ring.filled].ravel()) == {0, 2}
        batch = ring.gather(np.arange(100), 3, 0.5)
        truncated = ring.ends.reshape(-1)[:100] == 2
        assert (batch.discounts[truncated] == 0.5).all()
        first = batch.observations[10:12]  # of the second episode
        assert not np.array_equal(batch.next_observations[8:10], first)
