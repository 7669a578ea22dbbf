# Actors of squashed real numbers, and the policy that they make: the Python side of actor.h.
from libc.stdint cimport int64_t, uint64_t

from reactvec._kernel cimport Kernel, kernel_capsule
from reactvec.algorithms.kernels.acting cimport ActingKernel
from reactvec.algorithms.kernels.encoded_mlp cimport EncodedMlpKernel
from reactvec.algorithms.kernels.head cimport SQUASHED, HeadKernel


cdef class ActorKernel(EncodedMlpKernel):
    def __cinit__(self, parts, row_dtype, hiddens, str activation, HeadKernel head, *, variant=None):
        if head.head.kind != SQUASHED:
            raise ValueError("actions that are not squashed")
        self.head, self.actor.head = head, head.head
        self.read(&self.actor.encoder, parts, row_dtype)
        self.lay_out(&self.actor.mlp, hiddens, head.outputs, head.outputs, activation, variant)

    cdef void finish(self, float *outputs) noexcept nogil:
        clamp_deviations(&self.actor, outputs)


cdef class SoftPolicyKernel(ActingKernel):
    cdef SoftPolicy policy
    cdef Kernel kernel
    cdef ActorKernel net

    def __init__(
        self, ActorKernel net, int64_t rows, *, uint64_t luck, int64_t random_steps, int64_t begin,
        int64_t tags_before, int64_t steps_before, bint whole,
    ):
        self.make_areas(rows, net.actor.mlp.scratch, net.size, whole)
        self.net, self.policy.actor, self.policy.acting = net, &net.actor, &self.acting
        self.policy.luck, self.policy.random_steps, self.policy.begin = luck, random_steps, begin
        self.policy.tags_before, self.policy.steps_before = tags_before, steps_before
        self.kernel.run, self.kernel.self = soft_policy_act, &self.policy

    def act(self):
        return kernel_capsule(&self.kernel, self)
