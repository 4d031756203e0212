"""Conjugate gradients: the first solves of the campaign, exact iterates, and the defects seen in other libraries."""

import hashlib

import generate
import numpy as np
import pytest
from campaigns import cg as campaign
from flint import fmpq, fmpq_mat
from oracle import Tally, error, quadratic_form, rational_matrix, residual, squared_norm

import pyblo

DTYPES = (np.float64, np.float32)
FREE = {"rtol": 0.0, "atol": 0.0}


def solve(A, b, x0=None, **keywords):
    """One solve whose success, if claimed, is checked exactly."""
    x, info = pyblo.linalg.cg(A, b, x0, **keywords)
    if info.success and np.asarray(b).dtype.kind == "f":
        limit = campaign.squared_limit(generate.System(A, b, "", 1.0), keywords.get("rtol"), keywords.get("atol", 0.0))
        assert (
            float(squared_norm(residual(A, x, b)).p) == 0
            or squared_norm(residual(A, x, b)) <= limit * fmpq(1000001, 1000000) ** 2
        )
    return x, info


def definite(seed, n, dtype=np.float64, kappa=10.0):
    """A well conditioned system."""
    rng = np.random.default_rng((seed, n))
    A = generate.with_spectrum(rng, generate.spread(rng, n, kappa))
    return A.astype(dtype), rng.standard_normal(n).astype(dtype)


@pytest.mark.parametrize("block", range(8))
def test_status_is_true(block):
    tally = Tally()
    for seed in range(60 * block, 60 * block + 60):
        campaign.check(seed, tally, {})
    assert not tally.failures()


def iterates(A, b, x0, count):
    """The iterates of conjugate gradients in rational arithmetic (Hestenes & Stiefel 1952)."""
    A, b, x = rational_matrix(A), rational_matrix(b), rational_matrix(x0)
    r = b - A * x
    p, found = r, []
    for _ in range(count):
        q = A * p
        alpha = squared_norm(r) / (p.transpose() * q)[0, 0]
        x, following = x + p * alpha, r - q * alpha
        p, r = following + p * (squared_norm(following) / squared_norm(r)), following
        found.append(x)
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("start", [False, True])
def test_every_iterate_is_the_textbooks(dtype, seed, start):
    # Well conditioned and few steps: orthogonality is lost by a small multiple of εκ per step only.
    A, b = definite(seed, 6, dtype)
    x0 = np.random.default_rng(seed).standard_normal(6).astype(dtype) if start else None
    size = np.linalg.norm(np.linalg.solve(A.astype(float), b.astype(float))) + (np.linalg.norm(x0) if start else 0)
    for k, exact in enumerate(iterates(A, b, x0 if start else np.zeros(6), 5), 1):
        x, info = solve(A, b, x0, **FREE, maxiter=k)
        assert info.iterations == k
        assert pyblo.Status(int(info.status)) == pyblo.Status.NOT_CONVERGED and not info.success
        assert error(x, exact) <= 30 * k * np.finfo(dtype).eps * 10 * size


@pytest.mark.parametrize("dtype", DTYPES)
def test_identity_is_solved_in_one_step(dtype):
    b = np.random.default_rng(0).standard_normal(9).astype(dtype)
    x, info = solve(np.eye(9, dtype=dtype), b)
    assert info.success and info.iterations == 1
    assert np.array_equal(x, b) and not np.shares_memory(x, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("a", [3.0, 0.1, 7e4])
def test_scalar_system_is_solved_in_one_step(dtype, a):
    x, info = solve(np.array([[a]], dtype), np.array([1.7], dtype))
    assert info.success and info.iterations == 1
    assert abs(float(x[0]) - 1.7 / a) <= 4 * np.finfo(dtype).eps * 1.7 / a


@pytest.mark.parametrize("n", range(1, 9))
def test_n_distinct_eigenvalues_take_n_steps(n):
    x, info = solve(np.diag(np.arange(1.0, n + 1)), np.ones(n), maxiter=n)
    assert info.success and info.iterations == n
    assert np.allclose(x, 1 / np.arange(1.0, n + 1), rtol=1e-10, atol=0)


@pytest.mark.parametrize("rank", range(1, 6))
def test_consistent_singular_system_takes_rank_steps_to_the_least_solution(rank):
    # b in the range and x₀ = 0 keep every iterate there: the limit is A⁺b.
    values = np.r_[np.arange(1.0, rank + 1), np.zeros(4)]
    b = np.r_[np.ones(rank), np.zeros(4)]
    x, info = solve(np.diag(values), b, maxiter=rank)
    assert info.success and info.iterations == rank
    assert np.allclose(x, np.r_[1 / np.arange(1.0, rank + 1), np.zeros(4)], rtol=1e-10, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_starting_at_the_solution_takes_no_step(dtype):
    A = np.array([[4, 1], [1, 3]], dtype)
    x0 = np.array([1, 2], dtype)
    x, info = solve(A, A @ x0, x0)
    assert info.success and info.iterations == 0 and info.residual == 0
    assert np.array_equal(x, x0) and not np.shares_memory(x, x0)


@pytest.mark.parametrize("start", [None, np.array([3.0, -1.0])])
def test_zero_right_hand_side_has_the_zero_solution(start):
    b = np.zeros(2)
    x, info = solve(np.array([[2.0, 1.0], [1.0, 2.0]]), b, start)
    assert info.success and np.array_equal(x, np.zeros(2)) and not np.shares_memory(x, b)


def test_start_is_used():
    # A start that is ignored in the first residual (r = b) gives a different first iterate.
    A, b = definite(3, 5)
    x0 = np.arange(5.0)
    x, _ = solve(A, b, x0, **FREE, maxiter=1)
    assert error(x, iterates(A, b, x0, 1)[0]) <= 1e-13
    assert error(x, iterates(A, b, np.zeros(5), 1)[0]) > 1e-3


@pytest.mark.parametrize("maxiter", [0, 1, 7, 29, 30, 45, 200, 3000])
def test_zero_tolerances_run_maxiter_steps(maxiter):
    A, b = definite(0, 30, kappa=1e4)
    x, info = pyblo.linalg.cg(A, b, **FREE, maxiter=maxiter)
    assert info.iterations == maxiter and not info.success and np.isfinite(x).all()
    assert pyblo.Status(int(info.status)) == pyblo.Status.NOT_CONVERGED


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("powers", [(3, 0), (0, -7), (-20, 31), (40, 40), (-45, -50)])
def test_powers_of_two_change_no_bit(dtype, powers):
    A, b = definite(1, 20, dtype, 1e3)
    a, c = (dtype(2.0**power) for power in powers)
    x, info = solve(A, b)
    scaled, other = solve(A * a, b * c)
    assert scaled.tobytes() == (x * (c / a)).tobytes()
    assert other.iterations == info.iterations and other.residual == info.residual * float(c)


@pytest.mark.parametrize("a", [1e-300, 1e-150, 1.0, 1e150, 1e300])
@pytest.mark.parametrize("c", [1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_extreme_scales(a, c):
    A = np.array([[2.0, 1.0], [1.0, 2.0]]) * a
    b = np.array([3.0, 3.0]) * c
    x, info = pyblo.linalg.cg(A, b)
    assert np.isfinite(x).all() or info.status == pyblo.Status.DIVERGED
    expected = c / a if -290 < np.log10(c) - np.log10(a) < 290 else np.nan
    if np.isfinite(expected):
        assert info.success and np.allclose(x / expected, 1.0, rtol=1e-9, atol=0)
    if info.success:
        assert squared_norm(residual(A, x, b)) <= campaign.squared_limit(generate.System(A, b, "", 1.0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["A", "b", "x0"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_non_finite_input_is_named_or_flagged(value, where, dtype):
    arrays = {"A": np.eye(3, dtype=dtype), "b": np.ones(3, dtype), "x0": np.zeros(3, dtype)}
    arrays[where][(1,) * arrays[where].ndim] = value
    try:
        x, info = pyblo.linalg.cg(arrays["A"], arrays["b"], arrays["x0"])
    except ValueError as refused:
        assert where in str(refused)
    else:
        assert not info.success and pyblo.Status(int(info.status)) == pyblo.Status.DIVERGED
        assert x.shape == (3,)


INDEFINITE = {
    "the balanced saddle": (np.diag([1.0, -1.0]), np.array([1.0, 1.0])),
    "a zero diagonal": (np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0])),
    "a negative number": (np.array([[-2.0]]), np.array([1.0])),
    "a negative matrix": (-np.eye(4), np.arange(4.0)),
    "a late negative direction": (np.diag([1.0, 2.0, 3.0, -1e-3]), np.ones(4)),
    "a negative part of a singular matrix": (np.diag([1.0, 0.0, -1.0]), np.array([1.0, 1.0, 2.0])),
}


@pytest.mark.parametrize("name", INDEFINITE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_indefinite_matrix_comes_with_its_direction(name, dtype):
    A, b = (array.astype(dtype) for array in INDEFINITE[name])
    x, info = pyblo.linalg.cg(A, b)
    assert not info.success and np.isfinite(x).all()
    assert pyblo.Status(int(info.status)) == pyblo.Status.INDEFINITE
    assert info.direction.shape == b.shape and quadratic_form(A, info.direction) < 0


def test_random_indefinite_matrix_never_looks_solved():
    # A stationary point of an indefinite quadratic may be found: then its residual is true.
    for seed in range(40):
        rng = np.random.default_rng(seed)
        A = generate.with_spectrum(rng, np.r_[np.linspace(1, 2, 49), -0.01])
        x, info = solve(A, rng.standard_normal(50))
        assert info.success or quadratic_form(A, info.direction) < 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_inconsistent_system_is_said_to_be_so(dtype):
    A, b = np.diag([1.0, 2.0, 0.0]).astype(dtype), np.ones(3, dtype)
    x, info = pyblo.linalg.cg(A, b)
    assert not info.success and np.isfinite(x).all()
    assert pyblo.Status(int(info.status)) == pyblo.Status.INCONSISTENT
    x, info = pyblo.linalg.cg(np.zeros((3, 3), dtype), b)
    assert not info.success and np.isfinite(x).all()


def test_info_has_no_truth_value():
    with pytest.raises((TypeError, ValueError)):
        bool(pyblo.linalg.cg(np.eye(2), np.ones(2))[1])


def layouts(array):
    """Views and copies of an array that hold the same numbers differently."""
    strided = np.zeros(tuple(2 * size for size in array.shape), array.dtype)[
        tuple(slice(None, None, 2) for _ in array.shape)
    ]
    strided[...] = array
    backward = array[tuple(slice(None, None, -1) for _ in array.shape)].copy()[
        tuple(slice(None, None, -1) for _ in array.shape)
    ]
    locked = array.copy()
    locked.flags.writeable = False
    unaligned = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    unaligned[...] = array
    return {
        "strided": strided,
        "backward": backward,
        "read-only": locked,
        "unaligned": unaligned,
        "fortran": np.asfortranarray(array),
        "byteswapped": array.astype(array.dtype.newbyteorder()),
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["strided", "backward", "read-only", "unaligned", "fortran", "byteswapped"])
def test_layout_changes_no_bit_and_no_input(dtype, layout):
    A, b = definite(5, 17, dtype, 100.0)
    x0 = np.ones(17, dtype)
    given = [layouts(array)[layout] for array in (A, b, x0)]
    before = [hashlib.sha256(array.tobytes()).digest() for array in given]
    expected, _ = solve(A, b, x0)
    x, info = pyblo.linalg.cg(*given)
    assert info.success and x.dtype == dtype and x.tobytes() == expected.tobytes()
    assert before == [hashlib.sha256(array.tobytes()).digest() for array in given]
    assert not any(np.shares_memory(x, array) for array in given)


def test_memory_map(tmp_path):
    A, b = definite(6, 12)
    A.tofile(tmp_path / "A")
    mapped = np.memmap(tmp_path / "A", dtype=float, mode="r", shape=A.shape)
    assert pyblo.linalg.cg(mapped, b)[0].tobytes() == pyblo.linalg.cg(A, b)[0].tobytes()


def test_integers_become_float64():
    x, info = pyblo.linalg.cg(np.array([[2, 1], [1, 2]]), [3, 3])
    assert info.success and x.dtype == np.float64 and np.allclose(x, 1)


def test_neumann_counts_terms():
    # α Σ_{j<T} (1 − αλ)ʲ with αλ = ½: T terms give 2α(1 − 2⁻ᵀ) exactly; a sum to T inclusive would not.
    for terms in range(1, 20):
        x = pyblo.linalg.neumann(np.array([[2.0]]), np.array([1.0]), terms=terms, step=0.25)
        assert x[0] == 0.5 * (1 - 0.5**terms)


def test_neumann_matches_the_sum_of_powers():
    for seed in range(10):
        A, b = definite(seed, 12, kappa=50.0)
        term = total = rational_matrix(b)
        step = 0.75
        for _ in range(19):
            term = term - rational_matrix(A) * term * fmpq(3, 4)
            total = total + term
        x = pyblo.linalg.neumann(A, b, terms=20, step=step)
        assert error(x, total * fmpq(3, 4)) <= 30 * np.finfo(float).eps * 20 * step * np.linalg.norm(b)
        assert isinstance(total, fmpq_mat)
