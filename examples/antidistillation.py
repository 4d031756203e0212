"""How the approximation of the inverse Hessian chooses among outer solutions that all fit (paper 000, §4.2)."""
import numpy as np

import pyblo
from pyblo.datasets import fourier_features

x = np.linspace(-2, 2, 13)  # 13 points whose targets are learned, so that a model fitted to them goes through (0, 2)
problem = pyblo.TargetLearning(fourier_features(x, 10), fourier_features([0.0], 10), [2.0])

for method in (pyblo.Exact(), pyblo.Neumann(terms=101, step=1e-7), pyblo.Damped(eps=1e5)):
    loop = pyblo.cold_start(problem, np.zeros(13), method=method, step=1e-2, maxiter=100_000)
    limit = pyblo.equilibria.cold_start(problem, np.zeros(13), method=method)
    print(f"{method}: ‖u‖² = {loop.u @ loop.u:.4f} after {loop.nit} steps; its limit, in closed form: {limit.u @ limit.u:.4f}")
