"""Anti-distillation with fewer weights than points, so that H is invertible (paper 000, App. F.2, Fig. 17).

The paper gives neither L nor the inner step. Here L = 4: 2L + 1 = 9 weights for 13 points. λmax falls about as 4^L, so α = 4e-4 ≈
1e-7 · 4^(10−4) leaves αλmax as it is with L = 10. The targets stay in the range of Φ, where cold start from 0 moves.
"""
import dataclasses
import functools

import numpy as np

from . import antidistillation
from .antidistillation import csv, figures

__all__ = ["csv", "figures", "run", "table"]

run = functools.partial(antidistillation.run, name="antidistillation-underparameterized", harmonics=4, inner_step=4e-4,
                        title="Anti-distillation, fewer weights than points", eps=(1e0, 1e1, 1e2, 1e3), eps_range=(2.5e-3, 2.5e5))


def table(result):
    """Return the table of `antidistillation`, with the rank of H in its caption."""
    shown = antidistillation.table(result)
    weights, rank = result.problem.inner_size, np.linalg.matrix_rank(result.problem.Phi)
    return dataclasses.replace(shown, caption=f"H has rank {rank} of {weights}. {shown.caption}")
