"""A training script in CleanRL's style, with one changed line: the class of the vector environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from torch import nn

from reactvec import ReactorVectorEnv
from tests.vector_env.oracle import same


def make_env(env_id: str, idx: int, capture_video: bool, gamma: float) -> Any:
    def thunk() -> gym.Env[Any, Any]:
        env = gym.make(env_id, render_mode="rgb_array") if capture_video and idx == 0 else gym.make(env_id)
        env = gym.wrappers.FlattenObservation(env)
        env = gym.wrappers.RecordEpisodeStatistics(env)
        env = gym.wrappers.ClipAction(env)
        env = gym.wrappers.NormalizeObservation(env)
        env = gym.wrappers.TransformObservation(env, lambda obs: np.clip(obs, -10, 10), env.observation_space)
        env = gym.wrappers.NormalizeReward(env, gamma=gamma)
        return gym.wrappers.TransformReward(env, lambda reward: float(np.clip(reward, -10, 10)))

    return thunk


class Agent(nn.Module):
    def __init__(self, envs: Any) -> None:
        super().__init__()
        inputs = int(np.prod(envs.single_observation_space.shape))
        outputs = int(np.prod(envs.single_action_space.shape))
        self.critic = nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, 1))
        self.actor_mean = nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, outputs))
        self.actor_logstd = nn.Parameter(torch.zeros(1, outputs))

    def get_action_and_value(self, x: torch.Tensor, action: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        mean = self.actor_mean(x)
        dist = torch.distributions.Normal(mean, self.actor_logstd.expand_as(mean).exp())
        action = dist.sample() if action is None else action
        return action, dist.log_prob(action).sum(1), self.critic(x)


def train(vector_env: Any, num_envs: int = 4, num_steps: int = 64, iterations: int = 4) -> list[Any]:
    torch.manual_seed(1)
    envs = vector_env([make_env("Pendulum-v1", i, False, 0.99) for i in range(num_envs)])  # the changed line
    assert isinstance(envs.single_action_space, gym.spaces.Box)
    agent = Agent(envs)
    optimizer = torch.optim.Adam(agent.parameters(), lr=3e-4, eps=1e-5)
    log: list[Any] = []
    next_obs, _ = envs.reset(seed=1)
    next_done = np.zeros(num_envs)
    for _ in range(iterations):
        loss = torch.zeros(())
        for _ in range(num_steps):
            action, logprob, value = agent.get_action_and_value(torch.Tensor(next_obs))
            next_obs, reward, terminations, truncations, infos = envs.step(action.detach().cpu().numpy())
            loss = (
                loss
                - (logprob * (torch.Tensor(reward) - value.detach().squeeze(1))).mean()
                * torch.Tensor(1.0 - next_done).mean()
            )
            next_done = np.logical_or(terminations, truncations).astype(float)
            if "episode" in infos:
                log.append(infos["episode"]["r"][infos["_episode"]])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
        optimizer.step()
        log.append((next_obs.copy(), reward.copy(), loss.item()))
    envs.close()
    return log


@pytest.mark.parametrize("stock", [SyncVectorEnv, AsyncVectorEnv])
def test_a_training_script_with_one_changed_line(stock: Any) -> None:
    theirs, ours = train(stock), train(ReactorVectorEnv)
    assert len(theirs) > 4
    assert same(theirs, ours)
