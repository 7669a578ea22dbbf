"""Exported programs act as the agents that they were made of."""

import errno
import subprocess
import sys

import gymnasium as gym
import numpy as np
import onnxruntime
import pytest
import torch

from reactvec.algorithms import ConfigError, MissingExtra, PPOConfig
from reactvec.algorithms.observations import as_rows, as_tensors
from tests.algorithms.agents import small
from tests.algorithms.agents import small_sac as soft
from tests.algorithms.test_masks import Masked
from tests.sample_envs import SampleEnv


def ppo(**settings):
    return PPOConfig(train_batch_size=64, minibatch_size=64, num_epochs=2, num_envs=2, **settings)


CASES = {
    "dqn": lambda: small(),
    "dueling": lambda: small(dueling=True, env=lambda: SampleEnv("nested", "discrete")),
    "ppo": lambda: ppo(env="CartPole-v1"),
    "normalised": lambda: ppo(env="CartPole-v1", normalize_observations=True),
    "one-hot": lambda: ppo(env="Taxi-v4"),
    "clipped": lambda: ppo(env="Pendulum-v1"),
    "squashed": lambda: ppo(env="Pendulum-v1", squash_actions=True),
    "soft": lambda: soft(),
    "parts": lambda: ppo(env=lambda: SampleEnv("dict", "multi_discrete")),
    "masked": lambda: ppo(env=Masked, action_mask="mask"),
    "bits": lambda: ppo(env=lambda: SampleEnv("image", "multi_binary")),
}


def trained(case):
    with CASES[case]().build_algo() as algorithm:
        algorithm.train()
        return algorithm


def batch(algorithm, rows):
    space = gym.vector.utils.batch_space(algorithm.observation_space, rows)
    space.seed(1)
    observations = space.sample()
    if isinstance(observations, dict) and "mask" in observations:
        observations["mask"][...] = 1, 0, 0, 1, 1
    return observations


def same(algorithm, actions, observations):
    expected = algorithm.predict(observations)
    assert actions.dtype == expected.dtype
    assert actions.shape == expected.shape
    np.testing.assert_allclose(actions, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_torch_export(case, tmp_path):
    algorithm = trained(case)
    path = algorithm.export(tmp_path / "deep" / "agent.pt2")
    program = torch.export.load(path).module()
    for rows in (1, 2, 50):
        observations = batch(algorithm, rows)
        tensors = as_tensors(algorithm.observation_space, as_rows(algorithm.observation_space, observations)[0])
        same(algorithm, program(tensors).numpy(), observations)


@pytest.mark.parametrize("case", ["dqn", "normalised", "squashed", "soft"])
def test_onnx(case, tmp_path):
    algorithm = trained(case)
    session = onnxruntime.InferenceSession(algorithm.export(tmp_path / "agent.onnx"))
    for rows in (1, 50):
        observations = batch(algorithm, rows)
        (actions,) = session.run(None, {session.get_inputs()[0].name: observations})
        same(algorithm, actions, observations)


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    class Asks(torch.nn.Module):
        def __init__(self, *spaces):
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def forward(self, observations):
            return self.layer(observations) * (1 if observations.sum() > 0 else 2)

    with small(model=Asks).build_algo() as algorithm:
        with pytest.raises(ConfigError, match=r"torch\.export cannot export this network"):
            algorithm.export(tmp_path / "agent.pt2")
        with pytest.raises(ConfigError, match=r"agent\.pth: end it in \.pt2"):
            algorithm.export(tmp_path / "agent.pth")
        monkeypatch.setattr("reactvec.algorithms.export.find_spec", lambda name: None)
        with pytest.raises(MissingExtra, match=r"an export to ONNX needs onnx: pip install .reactvec.export"):
            algorithm.export(tmp_path / "agent.onnx")
    assert list(tmp_path.iterdir()) == []


# A limit of the size of files stands for the end of a disk; its process alone would be killed.
FULL = """
import resource, sys
from tests.algorithms.agents import small_ppo

with small_ppo().build_algo() as algorithm:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        algorithm.export(sys.argv[1])
    except OSError as error:
        print(error.errno, error.filename)
"""


@pytest.mark.parametrize("ending", ["pt2", "onnx"])
def test_a_full_disk_is_an_error_and_the_old_file_stays(tmp_path, ending):
    path = tmp_path / f"agent.{ending}"
    path.write_bytes(b"the old one")
    ran = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{errno.EFBIG} {path}\n"
    assert path.read_bytes() == b"the old one"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
