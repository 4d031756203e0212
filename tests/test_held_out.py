"""Loops whose outer objective has few held-out rows: the matrix that spectral hypergradients prepare, against the loop written out."""
import numpy as np
import pytest

import pyblo

TERMS, STEPS, OUTER, BETA = 5, 4, 6, 0.05


def problem_of(kind, rng, rows, dtype, batch=()):
    """A problem with 6 inner rows, 9 inner variables and so many held-out rows; λmax(H) is about one."""
    X = rng.standard_normal((*batch, 6, 9)) / 6
    held_out, targets = rng.standard_normal((*batch, rows, 9)) / np.sqrt(rows), rng.standard_normal((*batch, rows))
    arrays = [array.astype(dtype) for array in (X, held_out, targets, rng.standard_normal((*batch, 6)))]
    if kind == "target":
        return pyblo.TargetLearning(*arrays[:3])
    return pyblo.BiasedRidge(arrays[0], arrays[3], arrays[1], arrays[2], beta=0.25)


def written_out(problem, u, w0, warm, alpha):
    """(u, F) of the loop in longdouble, by products with the data alone."""
    if isinstance(problem, pyblo.TargetLearning):
        X, target, held_out, y, beta = problem.Phi, None, problem.Phi_out, problem.y_out, 0
    else:
        X, target, held_out, y, beta = problem.X, problem.y, problem.X_val, problem.y_val, problem.beta
    X, held_out, y, u, w0 = (np.asarray(a, np.longdouble) for a in (X, held_out, y, u, w0))

    def run(u, w):
        for _ in range(STEPS):
            w = w - alpha * (X.T @ (X @ w - (u if target is None else target)) + beta * (w - (0 if target is None else u)))
        return w

    w = run(u, w0)
    for _ in range(OUTER):
        g = held_out.T @ (held_out @ w - y)
        q = alpha * g
        for _ in range(TERMS - 1):
            q = q + alpha * (g - X.T @ (X @ q) - beta * q)
        u = u + np.longdouble(BETA) * (-(X @ q) if target is None else -beta * q)
        w = run(u, w if warm else w0)
    return u, (held_out @ w - y) @ (held_out @ w - y) / 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("kind", ["target", "biased"])
def test_loops_are_those_written_out(kind, warm, dtype):
    """Rows from one to sixteen, where a matrix may be prepared, and more, where it is not."""
    rng, alpha, eps = np.random.default_rng(5), 0.125, np.finfo(dtype).eps
    loop = pyblo.warm_start if warm else pyblo.cold_start
    for rows in (1, 2, 3, 16, 17):
        for batch in ((), (3,)):
            problem = problem_of(kind, rng, rows, dtype, batch)
            u, w0 = (rng.standard_normal(problem.batch_shape + shape).astype(dtype) for shape in (problem.outer_shape, problem.inner_shape))
            found = loop(problem, u, w0, method=pyblo.Neumann(TERMS, alpha), inner=pyblo.GradientDescent(STEPS, alpha), step=BETA,
                         maxiter=OUTER, tol=0, route="spectral")
            for k in np.ndindex(batch):
                exact, value = written_out(problem._at(k[0]) if batch else problem, u[k], w0[k], warm, alpha)
                unit = 10 * OUTER * eps
                assert np.linalg.norm(found.u[k] - exact) <= unit * np.linalg.norm(exact), (rows, batch)
                assert abs(np.asarray(found.fun)[k] - value) <= unit * (1 + value), (rows, batch)


def test_what_would_leave_the_range_is_not_prepared():
    """ΦₒVK overflows, the products one after the other do not: they are taken."""
    rng, small, alpha = np.random.default_rng(0), 1e-150, 0.125e300
    Phi, held_out, y = small * rng.standard_normal((6, 9)) / 6, 1e200 * rng.standard_normal((2, 9)), np.array([1e-60, -2e-60])
    found = pyblo.warm_start(pyblo.TargetLearning(Phi, held_out, y), np.zeros(6), method=pyblo.Neumann(TERMS, alpha),
                             inner=pyblo.GradientDescent(STEPS, alpha), step=1.0, maxiter=0, tol=0, route="spectral")
    X, g = Phi.astype(np.longdouble), -(held_out.astype(np.longdouble).T @ y)
    q = alpha * g
    for _ in range(TERMS - 1):
        q = q + alpha * (g - X.T @ (X @ q))
    assert 1e280 < np.abs(found.jac).max() < 1e300
    assert np.linalg.norm(found.jac / 1e280 - X @ q / 1e280) <= 100 * np.finfo(float).eps * np.linalg.norm(X @ q / 1e280)
