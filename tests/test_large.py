"""What large problems do, on small ones: no eigenvectors but iterations, Lanczos, LSMR and products by BLAS."""

import numpy as np
import pytest

import pyblo
from pyblo import _plan, spectral


@pytest.fixture
def large(monkeypatch):
    """Problems of more than three variables count as large."""
    monkeypatch.setattr(_plan, "SMALL", 3)


def quadratic(n, m=5, rank=None, dtype=np.float64, seed=0):
    """A problem with eigenvalues 1 … 10, some of them zero; B and d are in the range of A."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    values = np.linspace(1, 10, n) * (np.arange(n) < (n if rank is None else rank))
    A = Q * values @ Q.T
    A, root = (A + A.T) / 2, rng.standard_normal((n, n))
    arrays = A, A @ rng.standard_normal((n, m)), root @ root.T / n, A @ rng.standard_normal(n), rng.standard_normal(n)
    A, B, P, d, f = (array.astype(dtype) for array in arrays)
    return pyblo.Quadratic(A, B, P, d=d, f=f), np.linspace(-1, 1, m).astype(dtype)


METHODS = [pyblo.CG(rtol=1e-13), pyblo.Neumann(9), pyblo.FixedPoint(5), pyblo.Identity(), pyblo.Unrolled(8, momentum=0.5)]


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("inner", [None, pyblo.GradientDescent(steps=30), pyblo.GradientDescent(tol=1e-13)], ids=str)
def test_iterations_agree_with_eigenvectors(method, inner, monkeypatch):
    problem, u = quadratic(12)
    if isinstance(method, pyblo.Unrolled):
        inner = None
    # the steps of None differ in their last bits: λmax by Lanczos is a bound
    expected = pyblo.hypergradient(problem, u, method=method, inner=inner)
    monkeypatch.setattr(_plan, "SMALL", 3)
    found = pyblo.hypergradient(problem, u, method=method, inner=inner)
    assert found.success and expected.success
    assert np.allclose(found.w, expected.w, rtol=0, atol=1e-5 * np.linalg.norm(expected.w))
    assert np.allclose(found.grad, expected.grad, rtol=0, atol=1e-5 * np.linalg.norm(expected.grad))


def test_without_a_spectrum_the_null_component_is_that_of_the_iteration(large):
    # g has a part outside the range of H, which neither d nor B leaves: q = H⁺g all the same, and the rest is told.
    problem, u = quadratic(12, rank=7)
    inner = pyblo.GradientDescent(tol=1e-13)
    found = pyblo.hypergradient(problem, u, method=pyblo.CG(rtol=1e-12), inner=inner)
    A, B, P, d, f = (getattr(problem, name) for name in "ABPdf")
    w = -np.linalg.pinv(A, rcond=1e-9) @ (B @ u + d)
    g = P @ w + f
    q = np.linalg.pinv(A, rcond=1e-9) @ g
    assert found.success and np.linalg.norm(g - A @ q) > 0.1 * np.linalg.norm(g)
    assert np.linalg.norm(found.grad + B.T @ q) <= 1e-8 * np.linalg.norm(found.grad)
    assert found.null_component == pytest.approx(np.linalg.norm(g - A @ q) / np.linalg.norm(g), rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 40])
@pytest.mark.parametrize("top", [1e-8, 1.0, 1e8])
def test_the_largest_eigenvalue_is_bounded_from_above(n, top):
    rng = np.random.default_rng(n)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    values = top * np.linspace(0.5, 1, n) if n > 1 else np.array([top])
    problem = pyblo.Quadratic(Q * values @ Q.T, np.eye(n), np.eye(n))
    found = spectral.largest_eigenvalue(problem.hessian(None, None))
    assert top * (1 - 1e-14) <= found <= top * (1 + 1e-5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_forward_mode_with_products_by_blas_is_reverse_mode(dtype):
    # n = 40 and m = 9: dw/du moves by one matrix product; reverse mode has none.
    problem, u = quadratic(40, 9, dtype=dtype)
    grads = [
        pyblo.hypergradient(problem, u, method=pyblo.Unrolled(12, momentum=0.5, mode=mode), route="iterate").grad
        for mode in ("forward", "reverse")
    ]
    assert np.linalg.norm(grads[0] - grads[1]) <= 100 * np.finfo(dtype).eps * np.linalg.norm(grads[1])


def functions(problem):
    """The same problem as the user's functions."""
    A, B, P, d, f = (getattr(problem, name) for name in "ABPdf")
    return {
        "outer_value": lambda u, w: w @ (0.5 * (P @ w) + f), "outer_gradients": lambda u, w: (np.zeros_like(u), P @ w + f),
        "inner_gradient": lambda u, w: A @ w + B @ u + d, "hessian_product": lambda u, w, v: A @ v,
        "cross_adjoint": lambda u, w, q: B.T @ q}


@pytest.mark.parametrize("rank", [12, 7])
def test_large_problems_of_the_user(large, rank):
    problem, u = quadratic(12, rank=rank)
    keywords = {"method": pyblo.CG(rtol=1e-12), "inner": pyblo.GradientDescent(tol=1e-13)}
    written = pyblo.FunctionProblem(5, 12, **functions(problem))
    found, expected = pyblo.hypergradient(written, u, **keywords), pyblo.hypergradient(problem, u, **keywords)
    assert found.success and np.linalg.norm(found.grad - expected.grad) <= 1e-8 * np.linalg.norm(expected.grad)
    if rank < 12:
        assert found.null_component == pytest.approx(expected.null_component, rel=1e-6)


def test_arrays_beyond_64_mib_are_used_where_they_are_and_kept_alive():
    # One row φ: w = φu/‖φ‖² and F = ½(φₒw − y)², so dF/du = r(φₒw − y) with r = φₒφᵀ/‖φ‖².
    n = (64 << 20) // 8 + 1
    row = np.cos(np.arange(n))
    Phi, out = row[None], 1 + row[None, ::-1]
    r = float(out[0] @ row / (row @ row))
    prepared = pyblo.prepare(pyblo.TargetLearning(Phi, out, [2.0]), method=pyblo.Neumann(1), route="iterate")
    del Phi, out
    found = prepared.hypergradient([3.0])
    step = 1 / float(row @ row)
    # one term is R = α: q = αg, and Mᵀq = −φq
    assert found.grad[0] == pytest.approx(step * (row @ row) * r * (3 * r - 2), rel=1e-9)
    assert found.value == pytest.approx((3 * r - 2) ** 2 / 2, rel=1e-9)
