"""Hypergradient of ridge regression, one penalty per feature, X 2000 × 500: CG to 1e-10 at an inner solution given to all, float64."""
from typing import NamedTuple

import numpy as np
import rivals
from case import Case

RTOL = 1e-10


class Problem(NamedTuple):
    """f = ½n⁻¹‖Xw − y‖² + ½wᵀdiag(eᵘ)w, F = ½n′⁻¹‖X′w − y′‖²."""

    X: np.ndarray
    y: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray


def make(rows, columns, rng):
    """Return a problem whose features fall in size as j^-½, and its u, w and exact hypergradient."""
    size = np.arange(1, columns + 1) ** -0.5
    X, X_val = rng.standard_normal((rows, columns)) * size, rng.standard_normal((rows // 2, columns)) * size
    truth = rng.standard_normal(columns)
    problem = Problem(X, X @ truth + rng.standard_normal(rows), X_val, X_val @ truth + rng.standard_normal(rows // 2))
    u = np.log(1e-3) + 0.5 * rng.standard_normal(columns)
    H = X.T @ X / rows + np.diag(np.exp(u))
    w = np.linalg.solve(H, X.T @ problem.y / rows)
    g = X_val.T @ (X_val @ w - problem.y_val) / len(X_val)
    return problem, u, w, -np.exp(u) * w * np.linalg.solve(H, g)


def cases(scale):
    rows, columns = max(40, int(2000 * scale)), max(10, int(500 * scale))
    problem, u, w, exact = make(rows, columns, np.random.default_rng(4))
    yield Case(f"{rows} × {columns}", rivals.builders("ridge_hypergradient", problem, u, w, RTOL),
               {"rows": rows, "columns": columns, "rtol": RTOL}, exact)
