# The native kernel of gymnasium's FrozenLake: bit for bit what the Python environments give for the same seeds.
from reactvec.envs._walk cimport WalkBank, Walks, walk_step

from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv


cdef class FrozenLakes(Walks):
    environment = FrozenLakeEnv

    cdef WalkBank bank

    def __cinit__(self, envs, autoreset_mode):
        self.bind_walks(&self.bank, walk_step, &self.bank)

    @classmethod
    def trials(cls):
        actions = [(t * t) // 3 % 4 for t in range(100)]
        return [(FrozenLakeEnv, actions), (lambda: FrozenLakeEnv(is_slippery=False), actions)]
