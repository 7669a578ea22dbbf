"""PPO of RLlib on CartPole-v1, in this process and in an env runner of its own."""

import time

import numpy as np
import ray
from ray import tune
from ray.rllib.algorithms.ppo import PPOConfig

from tests.integration.scripts.outcome import Outcome, main

ITERATIONS = 5
# The id of the environment, RLlib's mode, how many env runners, and the class of the vector environment there.
VEC_ENVS = {
    "SyncVectorEnv": ("CartPole-v1", "sync", 0, "SyncVectorEnv"),
    "AsyncVectorEnv": ("CartPole-v1", "async", 0, "AsyncVectorEnv"),
    "ReactorVectorEnv": ("reactvec.gym:reactvec/CartPole-v1", "vector_entry_point", 0, "ReactorVectorEnv"),
    "ReactorVectorEnv of a creator": ("made", "vector_entry_point", 0, "ReactorVectorEnv"),
    "SyncVectorEnv, env runner": ("CartPole-v1", "sync", 1, "SyncVectorEnv"),
    "ReactorVectorEnv, env runner": ("reactvec.gym:reactvec/CartPole-v1", "vector_entry_point", 1, "ReactorVectorEnv"),
}


def make_env(config):
    import gymnasium as gym

    return gym.make("CartPole-v1")


def kind_of(runner):
    """The class of a runner's vector environment; the local runner has none where others sample."""
    return None if runner.env is None else type(runner.env.unwrapped).__name__


def train(name):
    env, mode, runners, kind = VEC_ENVS[name]
    if env == "made":
        from reactvec.rllib import env_creator

        tune.register_env("made", env_creator(make_env, placement="processes", num_workers=2))
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
    config = (
        PPOConfig()
        .environment(env)
        .env_runners(num_env_runners=runners, num_envs_per_env_runner=8, gym_env_vectorize_mode=mode)
        .training(train_batch_size=2048, minibatch_size=256, num_epochs=8, lr=1e-3)
        .debugging(seed=0, log_level="ERROR")
    )
    algorithm = config.build_algo()
    kinds = algorithm.env_runner_group.foreach_env_runner(kind_of)
    assert kind in kinds, kinds
    begun = time.perf_counter()
    for _ in range(ITERATIONS):
        found = algorithm.train()["env_runners"]
    seconds = time.perf_counter() - begun
    weights = algorithm.get_module().get_state()
    algorithm.stop()
    ray.shutdown()
    arrays = [np.asarray(weights[key]) for key in sorted(weights)]
    return Outcome(int(found["num_env_steps_sampled_lifetime"]), seconds, arrays, found["episode_return_mean"])


if __name__ == "__main__":
    main(train, VEC_ENVS)
