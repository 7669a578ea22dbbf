"""Which environments get a native kernel, and the reasons why the others do not."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import ClipReward, TimeLimit

from reactvec.envs import specialise
from reactvec.envs._recognition import recognise
from reactvec.envs.cartpole import CartPoles
from tests.sample_envs import SampleEnv

MODE = AutoresetMode.SAME_STEP


class Tilted(CartPoleEnv):
    pass


def changed(env, name, value):
    setattr(env.unwrapped, name, value)
    return env


def with_space(env):
    env.action_space = gym.spaces.Discrete(3)
    return env


REFUSED = {
    "Tilted is not CartPoleEnv": lambda: TimeLimit(Tilted(), 9),
    "PendulumEnv is not CartPoleEnv": lambda: gym.make("Pendulum-v1"),
    "the wrapper ClipReward": lambda: ClipReward(gym.make("CartPole-v1"), 0),
    "render_mode='human'": lambda: CartPoleEnv(render_mode="human"),
    "the integrator 'semi-implicit euler'": lambda: changed(
        CartPoleEnv(), "kinematics_integrator", "semi-implicit euler"
    ),
    "gravity is not a float": lambda: changed(CartPoleEnv(), "gravity", np.float32(9.8)),
    "a CartPoleEnv has its own step": lambda: changed(CartPoleEnv(), "step", print),
    "a CartPoleEnv has its own reset": lambda: changed(gym.make("CartPole-v1"), "reset", print),
    "two TimeLimits": lambda: TimeLimit(gym.make("CartPole-v1"), 9),
    "a TimeLimit has its own spaces": lambda: with_space(gym.make("CartPole-v1")),
    "another action space": lambda: changed(CartPoleEnv(), "action_space", gym.spaces.Discrete(2, start=1)),
    "another observation space": lambda: changed(CartPoleEnv(), "observation_space", gym.spaces.Box(-1, 1, (4,))),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_unknown_environments_are_refused(reason):
    assert recognise(REFUSED[reason](), CartPoles) == reason


@pytest.mark.parametrize(
    "kind", [{}, {"sutton_barto_reward": True}, {"max_episode_steps": 7}, {"disable_env_checker": True}]
)
def test_known_environments_are_recognised(kind):
    assert recognise(gym.make("CartPole-v1", **kind), CartPoles) is None
    assert recognise(changed(gym.make("CartPole-v1", **kind), "gravity", 3.7), CartPoles) is None
    assert recognise(changed(gym.make("CartPole-v1", **kind), "label", "mine"), CartPoles) is None
    assert recognise(CartPoleEnv(), CartPoles) is None


@pytest.mark.parametrize(("cls", "name"), [(CartPoleEnv, "step"), (TimeLimit, "step"), (gym.Env, "reset")])
def test_a_replaced_method_is_refused(monkeypatch, cls, name):
    env = gym.make("CartPole-v1")
    monkeypatch.setattr(cls, name, lambda self, *args, **kwargs: None)
    assert recognise(env, CartPoles) == f"{cls.__name__}.{name} has been replaced"
    monkeypatch.undo()
    assert recognise(env, CartPoles) is None


def test_specialise_gives_a_bank():
    bank, reason = specialise([gym.make("CartPole-v1") for _ in range(3)], MODE)
    assert isinstance(bank, CartPoles)
    assert bank.num_envs == 3
    assert reason == "CartPoles"


def test_specialise_needs_all_environments():
    bank, reason = specialise([gym.make("CartPole-v1"), CartPoleEnv(render_mode="human")], MODE)
    assert (bank, reason) == (None, "environment 1: render_mode='human'")
    assert specialise([SampleEnv()], MODE) == (None, "no native kernel for SampleEnv")
    assert specialise([], MODE) == (None, "there are no environments")


def test_specialise_refuses_what_somebody_else_holds():
    mine = gym.make("CartPole-v1")
    envs = [gym.make("CartPole-v1"), mine]
    assert specialise(envs, MODE) == (None, "something else holds environment 1")
    envs = [gym.make("CartPole-v1")]
    inner = envs[0].unwrapped
    assert specialise(envs, MODE) == (None, "something else holds the CartPoleEnv inside environment 0")
    del inner
    also = list(envs)
    assert specialise(envs, MODE)[0] is None
    assert specialise(envs, MODE, references=2)[0] is not None
    del also


def test_environments_must_not_share_a_generator():
    envs: list[gym.Env] = [CartPoleEnv(), CartPoleEnv()]
    generator = np.random.default_rng(0)
    for env in envs:
        env.np_random = generator
    del env
    assert specialise(envs, MODE) == (None, "environments 0 and 1 share a random generator")
    bank = CartPoles(envs, MODE)
    for env in envs:
        env.reset()
    bank.load(0)
    with pytest.raises(ValueError, match="environments 0 and 1 share a random generator"):
        bank.load(1)
