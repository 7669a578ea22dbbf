"""What a word of the command line makes, and the code that does the same."""

import gymnasium as gym
import pytest

from reactvec.env_source import EnvSource
from tests.tuning import odd_envs

ODD = "tests.tuning.odd_envs"


@pytest.mark.parametrize(
    ("source", "code", "kind"),
    [
        (EnvSource("CartPole-v1"), 'lambda: gym.make("CartPole-v1")', "CartPoleEnv"),
        (
            EnvSource("CartPole-v1", {"max_episode_steps": 3, "render_mode": "rgb_array"}),
            "lambda: gym.make(\"CartPole-v1\", max_episode_steps=3, render_mode='rgb_array')",
            "CartPoleEnv",
        ),
        (EnvSource("gymnasium:CartPole-v1"), 'lambda: gym.make("gymnasium:CartPole-v1")', "CartPoleEnv"),
        (EnvSource(f"{ODD}:SlowEnv"), "SlowEnv", "SlowEnv"),
        (EnvSource(f"{ODD}:SlowEnv", {"seconds": 2}), "lambda: SlowEnv(seconds=2)", "SlowEnv"),
        (EnvSource(f"{ODD}:SlowEnv", {"a b": 2}), "lambda: SlowEnv(**{'a b': 2})", ""),
    ],
)
def test_the_code_makes_what_the_source_makes(source, code, kind):
    assert source.code() == code
    written = eval(code, {"gym": gym, **vars(odd_envs)})
    for make in (source.env_fn(), written):
        if kind:
            assert type(make().unwrapped).__name__ == kind
        else:
            with pytest.raises(TypeError, match="a b"):
                make()


@pytest.mark.parametrize("target", [f"{ODD}:NOT_CALLABLE", f"{ODD}:Nothing", "Nothing-v3", f"{ODD}:Nothing-v3"])
def test_what_is_no_function_is_an_id(target):
    with pytest.raises(gym.error.Error):
        EnvSource(target).env_fn()()


def test_a_module_that_does_not_exist():
    with pytest.raises(ModuleNotFoundError):
        EnvSource("no_such_module:make").env_fn()
