"""Batched conjugate gradients, a fixed number of iterations, float32."""
from workloads import cg


def cases(scale):
    return cg.cases(scale, "float32")
