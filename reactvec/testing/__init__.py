"""Conformance checks: does a vector environment keep the contract of Gymnasium's, or of Stable-Baselines3's?"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from reactvec.testing.check import Check, ContractError

if TYPE_CHECKING:
    from reactvec.testing.gymnasium_checks import check_vector_env, vector_env_checks
    from reactvec.testing.sb3_checks import check_vec_env, vec_env_checks

# Imported when first used: the second needs the sb3 extra.
_LAZY = {
    "check_vec_env": "reactvec.testing.sb3_checks",
    "check_vector_env": "reactvec.testing.gymnasium_checks",
    "vec_env_checks": "reactvec.testing.sb3_checks",
    "vector_env_checks": "reactvec.testing.gymnasium_checks",
}

__all__ = ["Check", "ContractError", "check_vec_env", "check_vector_env", "vec_env_checks", "vector_env_checks"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'reactvec.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
