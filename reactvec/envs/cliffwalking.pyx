# The native kernel of gymnasium's CliffWalking: bit for bit what the Python environments give for the same seeds.
from reactvec.envs._walk cimport WalkBank, Walks, walk_step

from gymnasium.envs.toy_text.cliffwalking import CliffWalkingEnv


cdef class CliffWalks(Walks):
    environment = CliffWalkingEnv

    cdef WalkBank bank

    def __cinit__(self, envs, autoreset_mode):
        self.bind_walks(&self.bank, walk_step, &self.bank)

    @classmethod
    def trials(cls):
        actions = [(t * t) // 3 % 4 for t in range(100)]
        return [(CliffWalkingEnv, actions), (lambda: CliffWalkingEnv(is_slippery=True), actions)]
