"""PPO of Stable-Baselines3 on CartPole-v1."""

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from tests.integration.scripts.outcome import main
from tests.integration.scripts.sb3_vec_envs import VEC_ENVS, learned


def train(name):
    envs = make_vec_env("CartPole-v1", n_envs=8, seed=0, vec_env_cls=VEC_ENVS[name])
    model = PPO("MlpPolicy", envs, n_steps=128, batch_size=256, n_epochs=10, seed=0, device="cpu")
    return learned(model, 16_384)


if __name__ == "__main__":
    main(train, VEC_ENVS)
