"""Names that are not there: what others call our settings and methods, and errors that say what is meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .checks import ConfigError

# What Stable-Baselines3 and others call our settings.
NAMES_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "batch_size": ("minibatch_size", "train_batch_size"),
    "buffer_size": ("replay_buffer_config",),
    "clip_range": ("clip_param",),
    "clip_range_vf": ("vf_clip_param",),
    "ent_coef": ("entropy_coeff", "initial_alpha"),
    "evaluation_num_env_runners": ("evaluation_num_envs",),
    "exploration_fraction": ("epsilon",),
    "exploration_final_eps": ("epsilon",),
    "gae_lambda": ("lambda_",),
    "kl_coeff": ("target_kl",),
    "kl_target": ("target_kl",),
    "lambda": ("lambda_",),
    "learning_rate": ("lr",),
    "learning_starts": ("num_steps_sampled_before_learning_starts",),
    "max_grad_norm": ("grad_clip",),
    "n_envs": ("num_envs",),
    "n_epochs": ("num_epochs",),
    "n_steps": ("n_step", "train_batch_size"),
    "net_arch": ("model",),
    "normalize_advantage": ("normalize_advantages",),
    "num_env_runners": ("num_workers",),
    "num_envs_per_env_runner": ("num_envs",),
    "num_sgd_iter": ("num_epochs",),
    "policy_kwargs": ("model",),
    "policy_lr": ("actor_lr",),
    "q_lr": ("critic_lr",),
    "rollout_fragment_length": ("train_freq", "train_batch_size"),
    "sgd_minibatch_size": ("minibatch_size",),
    "target_update_interval": ("target_network_update_freq",),
    "tensorboard_log": ("log_dir",),
    "training_intensity": ("gradient_steps",),
    "use_kl_loss": ("target_kl",),
    "vf_coef": ("vf_loss_coeff",),
}


# And their methods: of configurations, then of algorithms.
METHODS_ELSEWHERE: dict[str, str] = {
    "build": "use build_algo()",
    "framework": "leave it out: all is torch's",
    "learners": "use training(device=..., learner_threads=...)",
    "reporting": "use env_runners(min_sample_timesteps_per_iteration=...)",
    "resources": "use training(device=...) and env_runners(num_workers=...)",
    "rl_module": "use training(model=...)",
    "rollouts": "use env_runners(...)",
    "learn": "use train(), or train_ppo(...) and its like for a whole training",
    "load": "use from_checkpoint(path)",
    "restore": "use restore_from_path(path)",
    "save": "use save_to_path(path)",
}


class UnknownSetting(ConfigError, TypeError):
    """A setting that does not exist; the message suggests the nearest that does."""


def unknown_setting(owner: str, name: str, known: Sequence[str]) -> UnknownSetting:
    """The error for a setting that does not exist, with the nearest of those that do."""
    near = [here for here in NAMES_ELSEWHERE.get(name, ()) if here in known][:1]
    near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    near = near or [other for other in known if name in other or other in name][:1]
    remedy = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
    return UnknownSetting(f"{owner} has no setting {name!r}; {remedy}")


class Suggesting:
    """Base of what says which of its methods is meant where one is asked for that it has not."""

    if not TYPE_CHECKING:  # for which a name that does not exist is an error

        def __getattr__(self, name: str) -> Any:
            """AttributeError, which names what RLlib's and Stable-Baselines3's methods are called here."""
            raise _missing(self, name)


def _missing(owner: object, name: str) -> AttributeError:
    """The error for what an object has not, with what it has instead."""
    kind = type(owner)
    if hasattr(kind, name):  # a property
        return AttributeError(f"{kind.__name__}.{name} met an AttributeError of its own", name=name, obj=owner)
    near = difflib.get_close_matches(name, [other for other in dir(kind) if not other.startswith("_")], n=1)
    remedy = METHODS_ELSEWHERE.get(name) or (f"did you mean {near[0]!r}?" if near else "")
    return AttributeError(f"{kind.__name__} has no {name!r}{remedy and '; '}{remedy}", name=name, obj=owner)
