"""Images through convolutions, masks, and first weights."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from reactvec.algorithms import ConfigError, DQNConfig, ModelConfig
from reactvec.algorithms.draws import Draws
from reactvec.algorithms.encoding import Inputs
from reactvec.algorithms.layers import Extractor, Initializer
from reactvec.algorithms.observations import as_rows, as_tensors
from tests.algorithms.agents import small_ppo as small
from tests.algorithms.agents import weights_of


def extractor(space, model=None, **options):
    return Extractor(
        Inputs(space, **options), model or ModelConfig(), Initializer(Draws(0, "weights"), orthogonal=True)
    )


def features(space, value, **options):
    rows, _ = as_rows(space, value)
    made = extractor(space, **options)
    found = made(as_tensors(space, rows))
    assert found.shape == (len(rows), made.features)
    return found


@pytest.mark.parametrize(
    ("shape", "first", "width"),
    [
        ((84, 84, 3), (32, 3, 8, 8), 512),
        ((4, 84, 84), (32, 4, 8, 8), 512),
        ((10, 10, 6), (16, 6, 3, 3), 128),
        ((1, 36, 50), (32, 1, 8, 8), 512),
    ],
)
def test_convolutions_by_the_size_of_the_image(shape, first, width):
    space = spaces.Box(0, 255, shape, np.uint8)
    made = extractor(space)
    assert made.features == width
    assert tuple(next(iter(made.parameters())).shape) == first
    space.seed(0)
    assert features(space, space.sample()).shape == (1, width)


def test_bytes_are_scaled_and_channels_are_found():
    last, first = spaces.Box(0, 255, (12, 11, 2), np.uint8), spaces.Box(0, 1, (2, 12, 11), np.float32)
    last.seed(1)
    image = last.sample()
    moved = (image.transpose(2, 0, 1) / 255).astype(np.float32)
    torch.testing.assert_close(features(last, image), features(first, moved))


@pytest.mark.parametrize(("shape", "last"), [((9, 9, 9), True), ((9, 8, 9), True), ((8, 9, 9), False)])
def test_of_two_short_axes_the_last_is_that_of_channels(shape, last):
    assert extractor(spaces.Box(0, 255, shape, np.uint8)).eyes[0].channels_last == last


def test_flat_parts_come_beside_images():
    space = spaces.Dict({"image": spaces.Box(0, 255, (10, 10, 2), np.uint8), "n": spaces.Discrete(3)})
    space.seed(0)
    assert features(space, space.sample()).shape == (1, 3 + 128)
    assert features(space, space.sample(), flat_images=True).shape == (1, 3 + 200)


def test_convolutions_of_the_users():
    model = ModelConfig(cnn=[[8, 3, 2]], cnn_features=7)
    assert model.cnn == ((8, 3, 2),)
    assert extractor(spaces.Box(0, 1, (10, 10, 1)), model).features == 7
    with pytest.raises(ConfigError, match="leaves nothing of an image"):
        extractor(spaces.Box(0, 1, (10, 10, 1)), ModelConfig(cnn=((8, 11, 1),)))


@pytest.mark.parametrize("cnn", ["none", (), ((8, 3),), ((8, 3, 0),), 3, ((8, 3, "a"),)])
def test_convolutions_that_make_no_sense(cnn):
    with pytest.raises(ConfigError, match="must be 'auto', None, or layers of"):
        ModelConfig(cnn=cnn)


def test_orthogonal_weights():
    linear = Initializer(Draws(0, "weights"), orthogonal=True).linear(20, 8, 0, gain=2.0)
    weight = linear.weight.detach().numpy()
    np.testing.assert_allclose(weight @ weight.T, 4 * np.eye(8), atol=1e-5)
    assert (linear.bias == 0).all()


SQRT2 = 2**0.5


@pytest.mark.parametrize(
    ("env", "model", "gains"),
    [
        (
            "CartPole-v1",
            ModelConfig(hiddens=(32, 16), activation="tanh"),
            {"actor": [SQRT2, SQRT2, 0.01], "critic": [SQRT2, SQRT2, 1]},
        ),
        (
            "Pendulum-v1",
            ModelConfig(hiddens=(32, 16), activation="tanh", share_trunk=True),
            {"trunk": [SQRT2, SQRT2], "actor": [0.01], "critic": [1]},
        ),
    ],
)
def test_first_weights_of_actor_and_critic(env, model, gains):
    with small(env=env, model=model).build_algo() as algorithm:
        module = algorithm.get_module()
        for name, parts in gains.items():
            layers = [layer for layer in getattr(module, name) if isinstance(layer, torch.nn.Linear)]
            for layer, gain in zip(layers, parts, strict=True):
                singular = torch.linalg.svdvals(layer.weight.detach())
                np.testing.assert_allclose(singular, gain, rtol=1e-5)  # all of them: orthogonal, times the gain
                assert (layer.bias == 0).all()
        if env == "Pendulum-v1":
            assert (module.log_std == 0).all()


def test_first_weights_of_convolutions():
    made = extractor(spaces.Box(0, 255, (10, 10, 6), np.uint8))
    layers = [layer for layer in made.modules() if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d)]
    assert len(layers) == 2
    for layer in layers:
        singular = torch.linalg.svdvals(layer.weight.detach().flatten(1))
        np.testing.assert_allclose(singular, SQRT2, rtol=1e-5)


class Bright(gym.Env):
    """Rewards saying which half of a small image is bright."""

    observation_space = spaces.Box(0, 255, (10, 10, 1), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action):
        reward = float(action == self.side)
        return self._observe(), reward, False, bool(self.np_random.random() < 0.1), {}

    def _observe(self):
        self.side = int(self.np_random.integers(2))
        image = self.np_random.integers(0, 60, (10, 10, 1), np.uint8)
        image[:, 5 * self.side : 5 * self.side + 5] += 150
        return image


def test_images_are_learned_by_ppo():
    config = small(env=Bright, num_envs=8, train_batch_size=128, minibatch_size=64, num_epochs=4, lr=1e-3, seed=1)
    with config.build_algo() as algorithm:
        assert algorithm.net == "observations are images"
        algorithm.train_steps(3_000)
        rollout = algorithm.rollout.steps(algorithm.learner.rollouts - 1)
        assert rollout.reward.mean() > 0.9
        assert algorithm.evaluate()["env_runners"]["episode_len_mean"] > 1


def test_images_are_learned_by_dqn():
    config = DQNConfig(
        env=Bright, num_envs=4, total_timesteps=1500, lr=1e-3, train_freq=32, gradient_steps=8, gamma=0.5
    )
    config.update(
        {
            "gamma": 0.5,
            "train_batch_size": 32,
            "num_steps_sampled_before_learning_starts": 100,
            "evaluation_duration": 20,
        }
    )
    with config.build_algo() as algorithm:
        algorithm.train_steps(1_500)
        result = algorithm.evaluate()["env_runners"]
        assert result["episode_return_mean"] > 0.9 * result["episode_len_mean"]


class Limited(gym.Env):
    """Rewards the largest action that is possible; three of six are."""

    observation_space = spaces.Dict({"possible": spaces.MultiBinary(6), "noise": spaces.Box(-1, 1, (2,))})
    action_space = spaces.Discrete(6, start=3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action):
        assert self.possible[action - 3], "an impossible action"
        reward = float(action - 3 == np.flatnonzero(self.possible)[-1])
        return self._observe(), reward, False, bool(self.np_random.random() < 0.1), {}

    def _observe(self):
        self.possible = np.isin(np.arange(6), self.np_random.choice(6, 3, replace=False)).astype(np.int8)
        return {"possible": self.possible, "noise": self.np_random.uniform(-1, 1, 2).astype(np.float32)}


@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_impossible_actions_are_never_chosen(backend):
    config = small(env=Limited, action_mask="possible", inference_backend=backend, learner_backend=backend, lr=3e-3)
    config.update({"num_envs": 8, "num_epochs": 10, "train_batch_size": 256, "entropy_coeff": 0.01})
    with config.build_algo() as algorithm:
        algorithm.train_steps(4_000)
        assert algorithm.rollout.steps(algorithm.learner.rollouts - 1).reward.mean() > 0.8
        assert algorithm.evaluate()["env_runners"]["num_episodes"] == 4
        possible = np.array([0, 1, 0, 0, 0, 0], np.int8)
        assert algorithm.predict({"possible": possible, "noise": np.zeros(2, np.float32)}, explore=True) == 4


def test_a_kernel_masks_as_torch_does():
    found = []
    for backend in ("kernel", "torch"):
        config = small(env=Limited, action_mask="possible", inference_backend=backend, learner_backend=backend)
        config.update({"entropy_coeff": 0.1, "normalize_observations": True})
        with config.build_algo() as algorithm:
            algorithm.train_steps(256)
            found.append(algorithm.get_weights())
    for name, value in found[1].items():
        np.testing.assert_allclose(found[0][name], value, rtol=5e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"env": "CartPole-v1", "action_mask": "mask"}, "action_mask='mask', but .* is no Dict with such an entry"),
        ({"env": Limited, "action_mask": "noise"}, "a mask of 2 numbers does not fit the actions Discrete"),
        ({"env": Limited, "action_mask": 3}, "must be a key, or None"),
        ({"env": Limited, "action_mask": "possible", "model": lambda *_: None}, "mask the outputs there"),
    ],
)
def test_masks_that_make_no_sense(settings, message):
    with pytest.raises(ConfigError, match=message):
        small(**settings).build_algo()


@pytest.mark.parametrize("workers", [1, 2])
def test_images_do_not_depend_on_workers(workers):
    config = small(env=Bright, placement="threads", num_workers=workers, train_batch_size=32, minibatch_size=16)
    with config.build_algo() as algorithm:
        algorithm.train_steps(64)
        found = weights_of(algorithm)
    with small(env=Bright, placement="inline", train_batch_size=32, minibatch_size=16).build_algo() as algorithm:
        algorithm.train_steps(64)
        assert found == weights_of(algorithm)
