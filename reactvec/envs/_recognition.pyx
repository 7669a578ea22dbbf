# What the kernels share to tell an untouched Gymnasium environment from one that behaves in its own way.
from cpython.dict cimport PyDict_GetItemString
from cpython.ref cimport PyObject

import sys
import warnings
import weakref
from types import ModuleType

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, RecordEpisodeStatistics, TimeLimit

from reactvec.envs.self_check import first_difference

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *object)
    PyObject *PyList_GET_ITEM(PyObject *list, Py_ssize_t index)

# In which a step renders nothing.
cdef tuple QUIET_MODES = (None, "rgb_array", "ansi")
cdef set WRAPPERS = {TimeLimit, OrderEnforcing, PassiveEnvChecker, RecordEpisodeStatistics}
# Those among them that record episodes; Stable-Baselines3's is known when it is met.
cdef set RECORDERS = {RecordEpisodeStatistics}
cdef tuple MONITOR = ("stable_baselines3.common.monitor", "Monitor")
# The largest step count that a kernel keeps.
cdef object LONGEST = 2**62
# And the longest episode whose rewards it keeps.
cdef int LONGEST_HISTORY = 100_000
# Up to here every int is a double.
cdef object EXACT = 2**53
cdef dict method_names = {}
# Of banks: what their environments were when the first of them was met, and why the kernel stands for none.
cdef dict known_banks = {}
cdef dict refusals = {}


cdef bint acts(attribute) noexcept:
    return callable(attribute) or isinstance(attribute, (property, staticmethod, classmethod))


cdef list modules_of(cls):
    # Where the class is defined, and what it imports from its own package.
    home = sys.modules[cls.__module__]
    package = cls.__module__.rpartition(".")[0]
    return [home] + [
        value for value in vars(home).values()
        if isinstance(value, ModuleType) and package and value.__name__.startswith(package)
    ]


cdef dict members_of(owner):
    # Of a class what acts, of a module all that has a name.
    if isinstance(owner, type):
        return {name: value for name, value in vars(owner).items() if acts(value)}
    return {name: value for name, value in vars(owner).items() if not name.startswith("__")}


def snapshot(*owners):
    return [(owner, members_of(owner)) for owner in owners]


def replaced(known):
    for owner, members in known:
        now = vars(owner)
        for name in members:
            if now.get(name) is not members[name]:
                return f"{owner.__name__}.{name} has been replaced"
        if isinstance(owner, type) and len(now) > len(members):
            for name, value in now.items():
                if name not in members and acts(value):
                    return f"{owner.__name__}.{name} has been added"
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


cdef bint is_known(kind) except -1:
    if kind in WRAPPERS:
        return True
    if (kind.__module__, kind.__qualname__) != MONITOR:
        return False
    if getattr(sys.modules[MONITOR[0]], MONITOR[1], None) is not kind:
        return False
    WRAPPERS.add(kind)
    RECORDERS.add(kind)
    wrapper_methods.extend(snapshot(kind))
    return True


def wrapping(env):
    limited = inner = False
    monitored = None
    while is_known(type(env)):
        if type(env) in RECORDERS:
            if inner:
                return f"a {type(env).__name__} inside another wrapper"
            if type(env) is not RecordEpisodeStatistics:
                monitored = "a Monitor without a TimeLimit"
                if type(time_limit(env)) is TimeLimit and time_limit(env)._max_episode_steps > LONGEST_HISTORY:
                    return "a Monitor around episodes too long to keep"
                if env.reset_keywords:
                    return f"a Monitor with reset_keywords={env.reset_keywords!r}"
        else:
            inner = True
        if type(env) is TimeLimit:
            monitored = None
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
    return monitored or replaced(wrapper_methods)


def recorders(env):
    found = []
    while type(env) in RECORDERS:
        found.append(env)
        env = env.env
    return found


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
        if Py_REFCNT(env) > references or weakref.getweakrefcount(<object>env):
            return f"something else holds environment {i}"
        while type(<object>env) in WRAPPERS:
            env = PyDict_GetItemString((<object>env).__dict__, "env")
            if Py_REFCNT(env) > 1 or weakref.getweakrefcount(<object>env):
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


def recognise(env, bank):
    reason = wrapping(env)
    if reason is not None:
        return reason
    instance, cls = core(env), bank.environment
    if type(instance) is not cls:
        return f"{type(instance).__name__} is not {cls.__name__}"
    if bank not in known_banks:
        known_banks[bank] = snapshot(*[base for base in cls.__mro__ if base is not object], *modules_of(cls))
    try:
        reason = replaced(known_banks[bank]) or shadowed(instance) or changed_attribute(instance, bank)
    except Exception as error:  # of odd values, which no kernel understands
        reason = f"an attribute that is not understood: {error!r}"
    if reason is not None:
        return reason
    if bank not in refusals:
        refusals[bank] = bank.unavailable or first_difference(bank)
        if refusals[bank] is not None:
            warnings.warn(f"{refusals[bank]}; such environments are stepped in Python", RuntimeWarning, stacklevel=2)
    return refusals[bank]


cdef changed_attribute(instance, bank):
    if instance.render_mode not in QUIET_MODES:
        return f"render_mode={instance.render_mode!r}"
    for name in bank.parameters:
        value = getattr(instance, name, None)
        if type(value) is int and -EXACT <= value <= EXACT and (value != 0 or name in bank.may_be_zero):
            continue
        if type(value) is not float or value != value:
            return f"{name} is not a float"
    return bank.another(instance) or changed_space(instance, bank)


cdef changed_space(instance, bank):
    for kind, space, expected in zip(("action", "observation"), (instance.action_space, instance.observation_space),
                                     bank.spaces(instance)):
        if type(space) is not type(expected) or shadowed(space) is not None:
            return f"another {kind} space"
        if space != expected or space.dtype != expected.dtype:
            return f"another {kind} space"
    return None


wrapper_methods = snapshot(*WRAPPERS, gym.Wrapper, gym.Env, spaces.Discrete)
