# What the kernels share to tell an untouched Gymnasium environment from one that behaves in its own way.
from cpython.dict cimport PyDict_GetItemString
from cpython.ref cimport PyObject

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *object)
    PyObject *PyList_GET_ITEM(PyObject *list, Py_ssize_t index)

cdef tuple WRAPPERS = (TimeLimit, OrderEnforcing, PassiveEnvChecker)
# The largest step count that a kernel keeps.
cdef object LONGEST = 2**62
cdef dict method_names = {}


def snapshot(*classes):
    names = ("step", "reset", "np_random", "unwrapped", "action_space", "contains", "__getattribute__")
    return [(cls, name, getattr(cls, name)) for cls in classes for name in names if hasattr(cls, name)]


def replaced(known):
    for cls, name, attribute in known:
        if getattr(cls, name, None) is not attribute:
            return f"{cls.__name__}.{name} has been replaced"
    return None


def shadowed(instance):
    cls = type(instance)
    methods = method_names.get(cls)
    if methods is None:
        methods = frozenset(name for name in dir(cls) if callable(getattr(cls, name, None)))
        method_names[cls] = methods
    if methods.isdisjoint(vars(instance)):
        return None
    name = min(methods.intersection(vars(instance)))
    return f"a {cls.__name__} has its own {name}"


def wrapping(env):
    limited = False
    while type(env) in WRAPPERS:
        if type(env) is TimeLimit:
            if limited:
                return "two TimeLimits"
            limited = True
            if type(env._max_episode_steps) is not int or not 0 < env._max_episode_steps < LONGEST:
                return f"a TimeLimit of {env._max_episode_steps!r}"
        reason = shadowed(env)
        if reason is not None:
            return reason
        if env._action_space is not None or env._observation_space is not None:
            return f"a {type(env).__name__} has its own spaces"
        env = env.env
    if isinstance(env, gym.Wrapper):
        return f"the wrapper {type(env).__name__}"
    return replaced(wrapper_methods)


def core(env):
    while type(env) in WRAPPERS:
        env = env.env
    return env


def time_limit(env):
    while type(env) in WRAPPERS:
        if type(env) is TimeLimit:
            return env
        env = env.env
    return None


def held(list envs, Py_ssize_t references=1):
    cdef PyObject *env
    cdef Py_ssize_t i
    for i in range(len(envs)):
        # Borrowed pointers: a reference of our own would be counted.
        env = PyList_GET_ITEM(<PyObject *>envs, i)
        if Py_REFCNT(env) > references:
            return f"something else holds environment {i}"
        while type(<object>env) in WRAPPERS:
            env = PyDict_GetItemString((<object>env).__dict__, "env")
            if Py_REFCNT(env) > 1:
                return f"something else holds the {type(<object>env).__name__} inside environment {i}"
    return None


def random_generators(list envs):
    cdef dict owner = {}
    for i, env in enumerate(envs):
        generator = core(env)._np_random
        if generator is None:
            continue
        if type(generator) is not np.random.Generator:
            return f"environment {i} draws from a {type(generator).__name__}"
        first = owner.setdefault(id(generator.bit_generator), i)
        if first != i:
            return f"environments {first} and {i} share a random generator"
    return None


wrapper_methods = snapshot(*WRAPPERS, gym.Wrapper, gym.Env, spaces.Discrete)
