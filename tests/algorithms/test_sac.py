"""SAC: losses by hand, one result for all placements, what replay holds and learning does, and learning."""

import math
import random

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import distributions, nn

from reactvec.algorithms import SAC, ConfigError, ModelConfig, SACConfig, train_sac
from reactvec.algorithms.draws import Draws
from reactvec.algorithms.sac import actor_loss, alpha_loss, critic_loss, frozen, soft_targets, squashed_sample
from tests.algorithms.agents import fingerprint


def small(**settings) -> SACConfig:
    """SAC on Pendulum that learns a little in a moment."""
    defaults = {
        "env": "Pendulum-v1",
        "num_envs": 4,
        "total_timesteps": 400,
        "num_steps_sampled_before_learning_starts": 40,
        "train_batch_size": 16,
        "train_freq": 2,
        "model": ModelConfig(hiddens=(16,)),
        "replay_buffer_config": {"capacity": 300},
        "evaluation_duration": 4,
        "min_sample_timesteps_per_iteration": 100,
    }
    return SACConfig(**{**defaults, **settings})


def trained(config, steps=400):
    with config.build_algo() as algorithm:
        algorithm.train_steps(steps)
        return fingerprint(algorithm)


# The losses


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


# One result, whoever computes it


@pytest.fixture(scope="module")
def expected():
    return trained(small(placement="inline", native=False, seed=11))


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("workers", [None, 1, 2, 4])
def test_one_result_for_all_workers_and_placements(expected, native, workers):
    placement = {"placement": "inline"} if workers is None else {"placement": "threads", "num_workers": workers}
    with small(native=native, seed=11, **placement).build_algo() as algorithm:
        assert algorithm.schedule.workers == (workers or 1)
        for steps in (100, 4, 296):
            algorithm.train_steps(steps)
        assert fingerprint(algorithm) == expected


def test_the_seed_matters(expected):
    assert trained(small(seed=12)) != expected


def test_neither_global_generators_nor_evaluation_nor_prediction_disturb_it(expected):
    with torch.no_grad(), small(seed=11, evaluation_interval=100).build_algo() as algorithm:
        for seed in range(4):
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            state = torch.get_rng_state(), np.random.get_state(), random.getstate()
            algorithm.train()
            algorithm.predict(np.zeros(3), explore=True)
            assert torch.equal(torch.get_rng_state(), state[0])
            np.testing.assert_equal(np.random.get_state(), state[1])
            assert random.getstate() == state[2]
        assert fingerprint(algorithm) == expected


def test_torchs_default_type_does_not_matter(expected):
    torch.set_default_dtype(torch.float64)
    try:
        assert trained(small(seed=11)) == expected
    finally:
        torch.set_default_dtype(torch.float32)


# What happens when


@pytest.mark.parametrize("num_envs", [1, 3, 8, 100])
@pytest.mark.parametrize("gradient_steps", [1, 3])
def test_gradient_steps_count_environment_steps(num_envs, gradient_steps):
    with small(num_envs=num_envs, gradient_steps=gradient_steps).build_algo() as algorithm:
        algorithm.train_steps(300)
        steps = algorithm.progress.steps
        assert algorithm.learner.gradient_steps == ((steps - 40) // 2 + 1) * gradient_steps


def test_actions_are_uniform_at_first_then_the_policys():
    """And they are functions of the seed, the environment and its step."""
    with small(num_steps_sampled_before_learning_starts=402, train_freq=1000, seed=5).build_algo() as algorithm:
        actor, head = algorithm.learner.module.actor, algorithm.policy.head
        algorithm.train_steps(412)
        ring = algorithm.replay.ring
        actions = ring.actions[np.arange(103 - ring.held_slots, 103) % ring.slots][..., 0]  # the last 75 steps of 4
        steps = np.arange(103 - ring.held_slots, 103)
        random_steps = steps * 4 < 402
        assert np.count_nonzero(~random_steps) == 2
        luck = Draws(5, "explore").uniform(np.arange(4), steps[:, None], 0)
        np.testing.assert_allclose(actions[random_steps], (2 * luck - 1)[random_steps], atol=1e-6)
        assert np.abs(actions[random_steps]).mean() == pytest.approx(0.5, abs=0.1)
        for step in steps[~random_steps]:
            observed = np.zeros((4, 3), np.float32)
            ring.observations.gather(step % ring.slots * 4 + np.arange(4), observed)
            with torch.inference_mode():
                outputs = actor(torch.from_numpy(observed)).numpy()
            choices, _, _ = head.act(outputs, 0, int(step), True)
            stored = ring.actions[step % ring.slots]
            np.testing.assert_allclose(stored, np.tanh(choices), rtol=1e-4, atol=1e-5)


def test_the_replay_holds_what_the_environments_did():
    """Every stored transition is a step of Pendulum by its action, which is scaled to -1 and 1."""
    env = gym.make("Pendulum-v1").unwrapped
    env.reset()
    with small(num_envs=3).build_algo() as algorithm:
        algorithm.train_steps(300)
        ring = algorithm.replay.ring
        batch = ring.gather(ring.places(np.arange(len(ring))), 1, 0.9)
        assert batch.actions.shape == (300, 1)
        assert batch.actions.dtype == np.float32
        for obs, action, total, discount, after in zip(*batch, strict=True):
            env.state = np.array([np.arctan2(obs[1], obs[0]), obs[2]])
            expected, reward, *_ = env.step(2 * action)
            np.testing.assert_allclose(after, expected, atol=1e-3)
            assert (total, discount) == (pytest.approx(reward, abs=1e-2), np.float32(0.9))


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
        rates = [group["lr"] for group in algorithm.learner.optimizer.param_groups]
        assert sorted(rates) == pytest.approx([0, 5e-4, 5e-4])
        for name, value in algorithm.get_weights().items():
            assert np.array_equal(value, begin[name]) == name.startswith(part), name


def test_gradients_are_limited_part_by_part():
    with small(grad_clip=1e-3).build_algo() as algorithm:
        algorithm.learner.learn_batch(*minibatch(algorithm))
        norms = [float(part.grad.norm()) for part in algorithm.learner.parts]
        assert norms == pytest.approx([1e-3] * 3, rel=0.01)


@pytest.mark.parametrize("delay", [1, 3])
def test_the_policy_acts_on_weights_that_are_late_as_declared(delay):
    with small(
        weights_delay=delay, train_freq=80, num_steps_sampled_before_learning_starts=80
    ).build_algo() as algorithm:
        algorithm.train_steps(80)  # the last of these tags learns
        actor = algorithm.learner.actor[0].numpy().copy()
        for tag in range(1, delay + 1):
            assert not np.array_equal(algorithm.policy.parameters.numpy(), actor)
            algorithm.train_steps(4)
            assert np.array_equal(algorithm.policy.parameters.numpy(), actor) == (tag == delay)


# Settings, spaces, models


class Reach(gym.Env):
    """One step per episode: the action must be what is observed; bounds that are not symmetric."""

    observation_space = spaces.Dict({"goal": spaces.Box(0, 1, (2,)), "noise": spaces.Discrete(3)})
    action_space = spaces.Box(np.array([[-1.0], [0.0]], np.float32), np.array([[1.0], [3.0]], np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.goal = self.np_random.random(2).astype(np.float32)
        return {"goal": self.goal, "noise": self.np_random.integers(3)}, {}

    def step(self, action):
        assert self.action_space.contains(action)
        reward = -float(np.abs(action[:, 0] - self.goal).sum())
        return {"goal": self.goal, "noise": 0}, reward, True, False, {}


def test_it_learns():
    config = SACConfig(
        env=Reach,
        total_timesteps=1000,
        train_freq=2,
        lr=5e-3,
        model=ModelConfig(hiddens=(32, 32)),
        train_batch_size=64,
        evaluation_duration=40,
        seed=1,
    )
    result = train_sac(config=config, progress=False)
    assert result.evaluation["env_runners"]["episode_return_mean"] > -0.25  # at random it is about -1.8
    assert result.algorithm.replay.ring.actions.shape[2:] == (2,)
    metrics = result.history[-1]["learners"]["default_policy"]
    assert 0 < metrics["alpha_value"] < 0.8
    assert metrics.keys() >= {"qf_loss", "policy_loss", "alpha_loss", "num_gradient_steps_lifetime"}
    observation = {"goal": np.array([0.4, 0.6], np.float32), "noise": 1}
    action = result.algorithm.predict(observation)
    assert result.algorithm.action_space.contains(action)
    np.testing.assert_allclose(action[:, 0], [0.4, 0.6], atol=0.25)
    drawn = result.algorithm.predict(observation, explore=True)
    assert not np.array_equal(drawn, action)
    assert not np.array_equal(drawn, result.algorithm.predict(observation, explore=True))


@pytest.mark.parametrize(
    "settings",
    [
        {"n_step": 3, "twin_q": False},
        {"replay_buffer_config": {"capacity": 300, "prioritized": True}},
        {"target_entropy": -0.5, "initial_alpha": 0.1, "alpha_lr": 0.0},
        {"env": "MountainCarContinuous-v0"},
        {"num_steps_sampled_before_learning_starts": 0, "num_envs": 1},
    ],
)
def test_variants_run(settings):
    with small(**settings).build_algo() as algorithm:
        result = algorithm.train_steps(200)["learners"]["default_policy"]
        assert np.isfinite(result["qf_loss"])
        if "initial_alpha" in settings:
            assert result["alpha_value"] == pytest.approx(0.1)
        assert np.isfinite(algorithm.evaluate()["env_runners"]["episode_return_mean"])


class Net(nn.Module):
    """A model of the user: one critic of three values, and running means."""

    def __init__(self, space, action_space):
        super().__init__()
        parts = action_space.shape[0]
        self.actor = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2 * parts))
        self.critics = Values(3 + parts)


class Values(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.net = nn.Sequential(nn.BatchNorm1d(inputs), nn.Linear(inputs, 3))

    def forward(self, observation, action):
        return self.net(torch.cat((observation, action), 1))


def test_a_model_of_the_user():
    prints = {trained(small(model=Net, native=native)) for native in (True, False)}
    assert len(prints) == 1
    with small(model=Net).build_algo() as algorithm:
        algorithm.train_steps(200)
        assert isinstance(algorithm.get_module().critics, Values)
        learner = algorithm.learner
        running = learner.module.actor.net[0].running_mean
        assert running.any()
        sent = algorithm.execution.slots(learner.weights)[0]
        assert len(sent) == 3 * 2 + 2 + 2 * 3 + 2 * 3  # weights, then running means and variances
        target = learner.target.net[0]
        np.testing.assert_array_equal(target.running_mean, learner.module.critics.net[0].running_mean)


def without(name):
    def make(space, action_space):
        module = Net(space, action_space)
        delattr(module, name)
        return module

    return make


def with_actor(layer):
    def make(space, action_space):
        module = Net(space, action_space)
        module.actor = layer
        return module

    return make


def with_more(space, action_space):
    module = Net(space, action_space)
    module.trunk = nn.Linear(3, 3)
    return module


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (without("actor"), "model returned Net; it must return a torch.nn.Module with an `actor`"),
        (without("critics"), "model returned Net; it must return"),
        (with_actor(nn.Linear(3, 3)), r"model made \[\(2, 3\), \(2, 3\)\] of 2 observations and actions of 1 numbers"),
        (with_more, "weights that belong to both its actor and its critics, or to neither"),
    ],
)
def test_a_model_that_does_not_fit(make, message):
    with pytest.raises(ConfigError, match=message):
        small(model=make).build_algo()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"env": "CartPole-v1"}, r"SAC draws real actions from a Box, not Discrete\(2\); wrap the environment"),
        ({"env": lambda: Unbounded()}, "SAC draws actions between bounds, which .* lacks"),
        ({"model": ModelConfig(share_trunk=True)}, "share_trunk=True: actor and critics of SAC share no layers"),
        ({"model": Net, "twin_q": False}, "twin_q=False shapes the built-in networks"),
        ({"target_entropy": "low"}, "target_entropy='low' must be a finite number, or 'auto'"),
        ({"target_entropy": -math.inf}, "must be a finite number, or 'auto'"),
        ({"initial_alpha": 0}, "initial_alpha=0 must be a number > 0"),
        ({"alpha_lr": -1.0}, "alpha_lr=-1.0 must be"),
        ({"lr": None}, "lr=None must be"),
        ({"tau": 0}, "tau=0 must be"),
        ({"learning_rate": 1e-3}, "did you mean 'lr'"),
        ({"ent_coef": 0.1}, "did you mean 'initial_alpha'"),
        ({"q_lr": 0.1}, "did you mean 'critic_lr'"),
        ({"learning_starts": 1}, "did you mean 'num_steps_sampled_before_learning_starts'"),
        ({"replay_buffer_config": {"capacity": 3}}, "replay_buffer_config: capacity=3 is less than one step"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ConfigError, match=message):
        small(**settings).build_algo()


class Unbounded(gym.Env):
    observation_space = spaces.Box(0, 1, (1,))
    action_space = spaces.Box(-np.inf, 1, (1,))


def test_resets_of_a_foreign_vector_env_are_no_transitions():
    makers = [lambda: gym.make("Pendulum-v1", max_episode_steps=7)] * 2
    rings = []
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        env = SyncVectorEnv(makers, autoreset_mode=mode)
        with small(env=env, num_envs=None, num_steps_sampled_before_learning_starts=300).build_algo() as algorithm:
            algorithm.train_steps(128)
            ring, steps = algorithm.replay.ring, algorithm.progress.steps
            rings.append(ring.gather(ring.places(np.arange(len(ring))), 1, 0.9))
            assert len(ring) == steps == (112 if mode == AutoresetMode.NEXT_STEP else 128)
        env.close()
    np.testing.assert_array_equal(rings[0].observations[:14], rings[1].observations[:14])  # the first episodes


# Using and keeping what was learned


def test_weights_go_out_and_in_and_act_at_once():
    observations = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    with small(seed=1).build_algo() as one, small(seed=2).build_algo() as other:
        one.train()
        other.train()
        assert not np.array_equal(one.predict(observations), other.predict(observations))
        other.set_weights(one.get_weights())
        np.testing.assert_array_equal(one.predict(observations), other.predict(observations))
        np.testing.assert_array_equal(other.policy.parameters.numpy(), one.learner.actor[0].numpy())
        np.testing.assert_array_equal(other.learner.target_parameters.numpy(), one.learner.critics[0].numpy())
        for under_way in other.execution.slots(other.learner.weights):
            np.testing.assert_array_equal(under_way, one.learner.actor[0].numpy())
        with pytest.raises(ValueError, match="do not fit the network"):
            one.set_weights({})


def test_predictions_are_the_tanh_of_the_mean():
    with small().build_algo() as algorithm:
        algorithm.train()
        observations = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
        with torch.inference_mode():
            means = algorithm.get_module().actor(torch.from_numpy(observations))[:, :1]
        np.testing.assert_allclose(algorithm.predict(observations), 2 * np.tanh(means.numpy()), rtol=1e-4, atol=1e-5)
        assert algorithm.predict(observations[0]).shape == (1,)


def test_deviations_have_limits():
    with small().build_algo() as algorithm:
        algorithm.set_weights({name: value * 1e4 for name, value in algorithm.get_weights().items()})
        observations = torch.from_numpy(np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32))
        log_std = algorithm.get_module().actor(observations)[:, 1].detach()
        assert (float(log_std.min()), float(log_std.max())) == (-20, 2)


def test_a_checkpoint_goes_on(tmp_path):
    with small(seed=3).build_algo() as algorithm:
        algorithm.train_steps(200)
        path = algorithm.save_to_path(tmp_path / "saved")
        state, weights, target = algorithm.learner.optimizer_state(), algorithm.get_weights(), algorithm._arrays()
    prints = set()
    for _ in range(2):
        with SAC.from_checkpoint(path) as restored:
            assert restored.learner.optimizer_fits(state)
            kept = [(restored.learner.optimizer_state(), state), (restored.get_weights(), weights)]
            for mine, theirs in (*kept, (restored._arrays(), target)):
                assert mine.keys() == theirs.keys()
                for name, array in mine.items():
                    np.testing.assert_array_equal(array, theirs[name])
            assert state["step"] == restored.progress.gradient_steps == 81
            restored.train()
            assert restored.progress.steps == 300
            assert restored.progress.gradient_steps == 81 + 31
            prints.add(fingerprint(restored))
    assert len(prints) == 1


def test_what_is_not_finite_is_named():
    class Broken(gym.RewardWrapper):
        def reward(self, reward):
            return float("nan")

    with (
        small(env=lambda: Broken(gym.make("Pendulum-v1")), num_envs=2).build_algo() as algorithm,
        pytest.raises(ValueError, match=r"rewards are not finite \(environments \[0, 1\]\)"),
    ):
        algorithm.train()
    with (
        small(lr=1e30).build_algo() as algorithm,
        pytest.raises(FloatingPointError, match=r"the actor's outputs are not finite after .* or lr is too high"),
    ):
        algorithm.train()
