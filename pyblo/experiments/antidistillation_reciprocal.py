"""Anti-distillation with amplitudes 1/l instead of 2^(L−l) (paper 000, App. F.2, Fig. 16; inner step 1e-3)."""
import functools

from . import antidistillation
from .antidistillation import csv, figures, table

__all__ = ["csv", "figures", "run", "table"]

# ε = 1/(αT) at T = 1000, 100, 10, 1, as in Fig. 14; the sweep of ε reaches as far as that of T
run = functools.partial(antidistillation.run, name="antidistillation-reciprocal", title="Anti-distillation, amplitudes 1/l",
                        amplitudes="reciprocal", inner_step=1e-3, eps=(1e0, 1e1, 1e2, 1e3), eps_range=(1e-3, 1e5))
