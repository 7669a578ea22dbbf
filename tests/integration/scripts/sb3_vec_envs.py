"""What the scripts of Stable-Baselines3 share: the vector environments to choose from, and learning by the clock."""

import time

from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from reactvec.sb3 import ReactorVecEnv
from tests.integration.scripts.outcome import SHORTER, Outcome

VEC_ENVS = {"DummyVecEnv": DummyVecEnv, "SubprocVecEnv": SubprocVecEnv, "ReactorVecEnv": ReactorVecEnv}


def learned(model, total_timesteps):
    begun = time.perf_counter()
    model.learn(total_timesteps // SHORTER)
    seconds = time.perf_counter() - begun
    mean_return, _ = evaluate_policy(model, model.get_env(), n_eval_episodes=16)
    model.get_env().close()
    weights = [part.detach().numpy() for part in model.policy.parameters()]
    return Outcome(model.num_timesteps, seconds, weights, mean_return)
