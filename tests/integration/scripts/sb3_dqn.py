"""DQN of Stable-Baselines3 on CartPole-v1."""

from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_vec_env

from tests.integration.scripts.outcome import main
from tests.integration.scripts.sb3_vec_envs import VEC_ENVS, learned


def train(name):
    envs = make_vec_env("CartPole-v1", n_envs=4, seed=0, vec_env_cls=VEC_ENVS[name])
    model = DQN(
        "MlpPolicy",
        envs,
        learning_rate=2.3e-3,
        batch_size=64,
        learning_starts=1000,
        train_freq=16,
        gradient_steps=32,
        target_update_interval=10,
        exploration_fraction=0.2,
        exploration_final_eps=0.04,
        seed=0,
        device="cpu",
    )
    return learned(model, 10_000)


if __name__ == "__main__":
    main(train, VEC_ENVS)
