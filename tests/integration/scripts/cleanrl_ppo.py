"""PPO in one file, in CleanRL's style, on CartPole-v1."""

import time

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from torch import nn
from torch.distributions import Categorical

from reactvec import ReactorVectorEnv
from tests.integration.scripts.outcome import SHORTER, Outcome, main

VEC_ENVS = {"SyncVectorEnv": SyncVectorEnv, "AsyncVectorEnv": AsyncVectorEnv, "ReactorVectorEnv": ReactorVectorEnv}
NUM_ENVS, NUM_STEPS, ITERATIONS, EPOCHS, MINIBATCHES = 8, 128, 12 // SHORTER, 4, 4
GAMMA, GAE_LAMBDA, CLIP, ENTROPY, VALUE = 0.99, 0.95, 0.2, 0.01, 0.5


def make_env():
    return gym.wrappers.RecordEpisodeStatistics(gym.make("CartPole-v1"))


def layer(inputs, outputs, gain=2**0.5):
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, gain)
    nn.init.zeros_(linear.bias)
    return linear


class Agent(nn.Module):
    def __init__(self, inputs, actions):
        super().__init__()
        self.critic = nn.Sequential(layer(inputs, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, 1, 1.0))
        self.actor = nn.Sequential(layer(inputs, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, actions, 0.01))

    def forward(self, obs, action=None):
        chosen = Categorical(logits=self.actor(obs))
        action = chosen.sample() if action is None else action
        return action, chosen.log_prob(action), chosen.entropy(), self.critic(obs).squeeze(-1)


class Rollout:
    """What happened in NUM_STEPS steps, a row for each. In the row after an end, a reset, nothing is learned."""

    def __init__(self, observation_shape):
        rows = NUM_STEPS, NUM_ENVS
        self.obs = torch.zeros(*rows, *observation_shape)
        self.actions = torch.zeros(rows, dtype=torch.int64)
        self.logprobs, self.rewards, self.dones, self.values = (torch.zeros(rows) for _ in range(4))

    def advantages(self, last_value, last_done):
        """Generalised advantage estimation."""
        found, later = torch.zeros_like(self.rewards), torch.zeros(NUM_ENVS)
        value, done = last_value, last_done
        for t in reversed(range(NUM_STEPS)):
            delta = self.rewards[t] + GAMMA * value * (1 - done) - self.values[t]
            later = found[t] = delta + GAMMA * GAE_LAMBDA * (1 - done) * later
            value, done = self.values[t], self.dones[t]
        return found


def update(agent, optimizer, rollout, advantages, order):
    kept = rollout.dones.flatten() == 0
    returns = (advantages + rollout.values).flatten()
    for _ in range(EPOCHS):
        for rows in np.array_split(order.permutation(np.flatnonzero(kept.numpy())), MINIBATCHES):
            picked = torch.as_tensor(rows)
            advantage = advantages.flatten()[picked]
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            _, logprob, entropy, value = agent(rollout.obs.flatten(0, 1)[picked], rollout.actions.flatten()[picked])
            ratio = (logprob - rollout.logprobs.flatten()[picked]).exp()
            gain = torch.min(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
            loss = -gain.mean() - ENTROPY * entropy.mean() + VALUE * (value - returns[picked]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()


def train(name):
    torch.manual_seed(1)
    order = np.random.default_rng(1)
    envs = VEC_ENVS[name]([make_env] * NUM_ENVS)  # the line that changes
    agent = Agent(envs.single_observation_space.shape[0], envs.single_action_space.n)
    optimizer = torch.optim.Adam(agent.parameters(), lr=1e-3, eps=1e-5)
    rollout = Rollout(envs.single_observation_space.shape)
    episodes = []
    begun = time.perf_counter()
    obs, _ = envs.reset(seed=1)
    done = np.zeros(NUM_ENVS, np.float32)
    for _ in range(ITERATIONS):
        for t in range(NUM_STEPS):
            rollout.obs[t], rollout.dones[t] = torch.as_tensor(obs), torch.as_tensor(done)
            with torch.no_grad():
                rollout.actions[t], rollout.logprobs[t], _, rollout.values[t] = agent(rollout.obs[t])
            obs, rewards, terminations, truncations, infos = envs.step(rollout.actions[t].numpy())
            rollout.rewards[t] = torch.as_tensor(rewards, dtype=torch.float32)
            done = np.logical_or(terminations, truncations).astype(np.float32)
            if "episode" in infos:
                episodes += infos["episode"]["r"][infos["_episode"]].tolist()
        with torch.no_grad():
            last_value = agent(torch.as_tensor(obs))[3]
        advantages = rollout.advantages(last_value, torch.as_tensor(done))
        update(agent, optimizer, rollout, advantages, order)
    seconds = time.perf_counter() - begun
    envs.close()
    weights = [part.detach().numpy() for part in agent.parameters()]
    return Outcome(ITERATIONS * NUM_STEPS * NUM_ENVS, seconds, weights, np.mean(episodes[-20:]))


if __name__ == "__main__":
    main(train, VEC_ENVS)
