"""What a setting may be: checks of single values, and the errors of a bad configuration."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Any], str | None]
"""Takes a value; returns what it must be, or None if it is."""


# What Stable-Baselines3 and others call our settings.
NAMES_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "batch_size": ("minibatch_size", "train_batch_size"),
    "buffer_size": ("replay_buffer_config",),
    "clip_range": ("clip_param",),
    "clip_range_vf": ("vf_clip_param",),
    "ent_coef": ("entropy_coeff", "initial_alpha"),
    "exploration_fraction": ("epsilon",),
    "exploration_final_eps": ("epsilon",),
    "gae_lambda": ("lambda_",),
    "lambda": ("lambda_",),
    "learning_rate": ("lr",),
    "learning_starts": ("num_steps_sampled_before_learning_starts",),
    "max_grad_norm": ("grad_clip",),
    "n_envs": ("num_envs",),
    "n_epochs": ("num_epochs",),
    "n_steps": ("n_step", "train_batch_size"),
    "net_arch": ("model",),
    "normalize_advantage": ("normalize_advantages",),
    "num_envs_per_env_runner": ("num_envs",),
    "num_sgd_iter": ("num_epochs",),
    "policy_kwargs": ("model",),
    "policy_lr": ("actor_lr",),
    "q_lr": ("critic_lr",),
    "rollout_fragment_length": ("train_freq", "train_batch_size"),
    "sgd_minibatch_size": ("minibatch_size",),
    "target_update_interval": ("target_network_update_freq",),
    "training_intensity": ("gradient_steps",),
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


class ConfigError(ValueError):
    """A setting, or a combination of settings, that makes no sense; the message names it and the remedy."""


class CheckpointError(ValueError):
    """A checkpoint that is missing, incomplete, changed, or written by another version, or cannot be written."""


class MissingExtra(ModuleNotFoundError):
    """A package that only an extra of reactvec installs; the message names both."""


class UnknownSetting(ConfigError, TypeError):
    """A setting that does not exist; the message suggests the nearest that does."""


def unknown(owner: str, name: str, known: Sequence[str]) -> UnknownSetting:
    """The error for a setting that does not exist, with the nearest of those that do."""
    near = [here for here in NAMES_ELSEWHERE.get(name, ()) if here in known][:1]
    near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    near = near or [other for other in known if name in other or other in name][:1]
    remedy = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
    return UnknownSetting(f"{owner} has no setting {name!r}; {remedy}")


def missing_method(owner: object, name: str) -> AttributeError:
    """The error for what an object has not, with what it has instead."""
    kind = type(owner)
    if hasattr(kind, name):  # a property
        return AttributeError(f"{kind.__name__}.{name} met an AttributeError of its own", name=name, obj=owner)
    near = difflib.get_close_matches(name, [other for other in dir(kind) if not other.startswith("_")], n=1)
    remedy = METHODS_ELSEWHERE.get(name) or (f"did you mean {near[0]!r}?" if near else "")
    return AttributeError(f"{kind.__name__} has no {name!r}{remedy and '; '}{remedy}", name=name, obj=owner)


def why_not_finite(environments: list[int]) -> str:
    """Why numbers may be NaN or infinite, where observations of these environments are."""
    if environments:
        return f"observations are not finite (environments {environments})"
    return "lr is too high, or rewards or observations are too large"


def whole(least: int, *, most: int | None = None, none: bool = False) -> Check:
    """A check for whole numbers of at least `least` and at most `most`, or None."""
    limits = f">= {least}{'' if most is None else f' and <= {most}'}{', or None' if none else ''}"

    def check(value: Any) -> str | None:
        if value is None and none:
            return None
        good = type(value) is int and value >= least and (most is None or value <= most)
        return None if good else f"must be a whole number {limits}"

    return check


def number(above: float | None = None, *, least: float = 0, most: float = float("inf")) -> Check:
    """A check for numbers in a range: more than `above` or at least `least`, and at most `most`."""
    low = f"> {above:g}" if above is not None else f">= {least:g}"
    high = f" and <= {most:g}" if most < float("inf") else " and finite"

    def check(value: Any) -> str | None:
        good = isinstance(value, int | float) and not isinstance(value, bool) and value <= most
        good = good and value < float("inf")
        good = good and (value > above if above is not None else value >= least)
        return None if good else f"must be a number {low}{high}"

    return check


def ramp(check: Check) -> Check:
    """A check of each value of a number or of points (time, value)."""
    return lambda value: (
        check(value)
        if value is None or isinstance(value, int | float)
        else next((message for _, level in value if (message := check(level))), None)
    )


def one_of(*choices: object) -> Check:
    """A check for membership, by value and type."""
    return lambda value: (
        None if any(type(value) is type(c) and value == c for c in choices) else f"must be one of {choices}"
    )


def optional(check: Check) -> Check:
    """A check that lets None pass."""
    return lambda value: None if value is None else check(value)


def folder(value: Any) -> str | None:
    """A check for the path of a folder, or None."""
    return None if value is None or (isinstance(value, str) and value) else "must be the path of a folder, or None"
