"""The experiments beside the first two: their numbers by independent arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, arb_mat, ctx

import pyblo
from pyblo.experiments import (
    antidistillation,
    antidistillation_cg,
    antidistillation_damped,
    antidistillation_reciprocal,
    antidistillation_setup,
    antidistillation_trajectories,
    antidistillation_underparameterized,
    spectral_filters,
)

EXPONENTIAL = lambda l, L: arb(2) ** (L - l)
RECIPROCAL = lambda l, L: 1 / arb(l)


def root(function, low, high):
    """The zero of a decreasing function, by bisection in 300 bits."""
    ctx.prec = 300
    low, high = arb(low), arb(high)
    for _ in range(200):
        middle = ((low + high) / 2).mid()
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return low


@pytest.mark.parametrize(("terms", "largest", "largest_paper"), [
    (1, 1.0, np.inf), (2, 0.5625, 1.25), (11, None, None), (101, None, None), (1001, None, None),
])
def test_spectral_filters_and_the_looseness_of_their_kinship(terms, largest, largest_paper):
    result = spectral_filters.run(terms=(terms,), step=0.25)
    pair, T = result.pairs[0], terms
    ctx.prec = 300
    neumann = [float((1 - (1 - x) ** T) / x / 4) for x in map(arb, result.values / 4)]
    damped = [float(1 / (arb(x) + arb(4) / T)) for x in result.values]
    np.testing.assert_allclose(pair.neumann_filter, neumann, rtol=1e-13)
    np.testing.assert_allclose(pair.damped_filter, damped, rtol=1e-15)
    assert pair.unrolled_gap == 0.0
    if T > 1:  # where d/dx [1 − (1−x)^T](1 + 1/(Tx)) = 0
        slope = lambda x: T * (1 - x) ** (T - 1) * (1 + 1 / (T * x)) - (1 - (1 - x) ** T) / (T * x * x)
        x = root(slope, arb(1) / T, min(1, 3 / T))
        found = float((1 - (1 - x) ** T) * (1 + 1 / (T * x)) - 1), 4 * float(x)
        np.testing.assert_allclose([pair.deviation, pair.at], found, rtol=1e-5)
        np.testing.assert_allclose(pair.deviation, found[0], rtol=1e-9)
    if largest is not None:
        assert (pair.deviation, pair.paper_deviation) == pytest.approx((largest, largest_paper), rel=1e-12)


def test_the_deviation_of_many_terms():
    s = root(lambda s: (1 + s + s * s) * (-s).exp() - 1, 1, 3)  # d/ds (1+s)(1−e^{−s})/s = 0
    limit = float((1 + s) * (1 - (-s).exp()) / s - 1)
    result = spectral_filters.run(terms=(1001, 10001), lowest=1e-7)
    deviations = np.array([pair.deviation for pair in result.pairs])
    assert limit == pytest.approx(0.2984, abs=1e-4)
    assert (0 < deviations - limit).all() and (deviations - limit < [5e-4, 5e-5]).all()


def task_in_intervals(amplitude, L):
    """(Φ of the 13 points, φₒ of the original one) in intervals of 400 digits."""
    ctx.dps = 400
    points = [arb(i) / 3 - 2 for i in range(13)] + [arb(0)]
    phi = [[arb(1), *(amplitude(l, L) * f(l * x) for f in (arb.cos, arb.sin) for l in range(1, L + 1))] for x in points]
    return arb_mat(phi[:13]), arb_mat(phi[13:]).transpose()


def dot(a, b):
    return (a.transpose() * b)[0, 0]


def adjoint(Phi, out, terms=None, eps=None, step=None):
    """ΦR φₒ = r(ΦΦᵀ)Φφₒ of the Neumann series, of damping, or of the pseudoinverse."""
    b = Phi * out
    if terms is not None:
        v, w = arb_mat(13, 1), b
        for _ in range(terms):  # α Σ (I − αG)^j b
            v, w = v + w * arb(step), w - Phi * (Phi.transpose() * w) * arb(step)
        return v
    if eps is None and Phi.ncols() > 13:
        return (Phi * Phi.transpose()).solve(b)
    H, one = Phi.transpose() * Phi, arb_mat([[arb(int(i == j)) for j in range(Phi.ncols())] for i in range(Phi.ncols())])
    return Phi * (H if eps is None else H + one * arb(eps)).solve(out)


def limit(Phi, out, v):
    """u* = s v and w* = Φ⁺u*, s such that φₒᵀw* = 2; v lies in the range of Φ."""
    Gram = Phi * Phi.transpose()
    w = Phi.transpose() * Gram.solve(v) if Phi.ncols() > Phi.nrows() else (Phi.transpose() * Phi).solve(Phi.transpose() * v)
    s = 2 / dot(out, w)
    return tuple(np.array([float(each.mid()) for each in (s * z).entries()]) for z in (v, w))


def agrees(run, task, step, rtol=1e-10):
    """Whether the closed form and both loops of a run are those of intervals."""
    key = {"Neumann": "terms", "damped": "eps"}.get(run.label)
    given = {} if key is None else {key: run.parameter}
    u, w = limit(*task, adjoint(*task, step=step, **given))
    np.testing.assert_allclose(run.limit.u, u, rtol=0, atol=rtol * np.linalg.norm(u))
    np.testing.assert_allclose(run.limit.w, w, rtol=0, atol=rtol * np.linalg.norm(w))
    assert len(run.loops) == (1 if key is None else 2)
    for loop in run.loops.values():
        assert loop.success and np.linalg.norm(loop.u - u) <= 10 * rtol * np.linalg.norm(u)


@pytest.mark.parametrize(("module", "amplitude", "L", "step", "settings"), [
    (antidistillation_reciprocal, RECIPROCAL, 10, "1e-3", {"terms": (101,), "eps": (1.0,)}),
    (antidistillation_underparameterized, EXPONENTIAL, 4, "4e-4", {"terms": (11, 101), "eps": (1.0, 10.0)}),
])
def test_other_features_by_interval_arithmetic(module, amplitude, L, step, settings):
    result = module.run(sweep=2, **settings)
    assert result.inner_step == float(step) and result.problem.inner_size == 2 * L + 1
    for run in result.runs:
        agrees(run, task_in_intervals(amplitude, L), step)


def test_an_invertible_hessian():
    result = antidistillation_underparameterized.run(terms=(2,), eps=(), sweep=2)
    assert np.linalg.matrix_rank(result.problem.Phi) == result.problem.inner_size < result.x.size
    assert "H has rank 9 of 9." in antidistillation_underparameterized.table(result).caption
    exact = result.of("pseudoinverse")[0].limit
    np.testing.assert_allclose(result.problem.Phi @ exact.w, exact.u, rtol=1e-9)  # the targets stay in the range of Φ
    assert exact.u @ exact.u > 4.0 + 1.0  # one point on the original one fits no longer


def test_damping_beside_its_neumann_series():
    result = antidistillation_damped.run(eps=(1e5, 1e6), sweep=2)
    task = task_in_intervals(EXPONENTIAL, 10)
    assert [(a.parameter, b.parameter) for a, b in result.pairs] == [(1e5, 100), (1e6, 10)]
    for pair in result.pairs:
        agrees(pair[0], task, "1e-7")
        (u, _), (v, _) = (limit(*task, adjoint(*task, step="1e-7", **given)) for given in
                          ({"eps": pair[0].parameter}, {"terms": pair[1].parameter}))
        assert result.distance(pair) == pytest.approx(np.linalg.norm(u - v) / np.linalg.norm(v), rel=1e-8)


def exact_cg(Phi, out):
    """The targets after each iteration of CG on Hq = φₒ, until the residual vanishes."""
    H = Phi.transpose() * Phi
    q, r, p = arb_mat(Phi.ncols(), 1), out, out
    while dot(r, r) > 1e-100:
        Hp, before = H * p, dot(r, r)
        length = before / dot(p, Hp)
        q, r = q + p * length, r - Hp * length
        p = r + p * (dot(r, r) / before)
        yield limit(Phi, out, Phi * q)[0]


def test_cg_by_interval_arithmetic():
    result = antidistillation_cg.run()
    found = list(exact_cg(*task_in_intervals(EXPONENTIAL, 10)))
    assert len(found) == result.dimension == 7 and [run.iterations for run in result.runs] == list(range(1, 22))
    for run in result.runs:
        u = found[min(run.iterations, 7) - 1]
        size = np.linalg.norm(u)
        np.testing.assert_allclose(run.limit, u, rtol=0, atol=1e-12 * size)
        assert run.loop.success and run.loop.fun < 1e-20
        if run.iterations < 5 or run.iterations > 12:  # between, rounding shows
            assert np.linalg.norm(run.loop.u - u) < 1e-10 * size
    neumann = pyblo.equilibria.cold_start(antidistillation.problem(result.x), np.zeros(13), method=pyblo.Neumann(21, 1e-7))
    np.testing.assert_array_equal(result.runs[-1].neumann, neumann.u)


def test_exact_cg_off_the_line_of_symmetry():
    L, x, at = 3, np.linspace(-2, 2, 5), 0.25
    ctx.dps = 400
    row = lambda t: [arb(1), *(EXPONENTIAL(l, L) * f(l * arb(t)) for f in (arb.cos, arb.sin) for l in range(1, L + 1))]
    Phi, out = arb_mat([row(t) for t in x]), arb_mat([row(at)]).transpose()
    inside = Phi.transpose() * (Phi * Phi.transpose()).solve(Phi * out)  # CG projects g on the range of H
    found = list(exact_cg(Phi, inside))
    assert len(found) == 5
    for k, u in enumerate(found, start=1):
        limit_k, dimension = antidistillation_cg.closed_form(antidistillation.problem(x, (at, 2.0), L), k)
        assert dimension == k
        np.testing.assert_allclose(limit_k, u, rtol=0, atol=1e-12 * np.linalg.norm(u))


def rational_direction(terms):
    """ΦRφₒ for Φ = [[0, 1], [2, 1]], φₒ = (1, 1), α = 1/10, and with the pseudoinverse (J = Φ⁻¹) for None."""
    if terms is None:
        return Fraction(1, 2), Fraction(1, 2)
    total, term = [Fraction(0)] * 2, [Fraction(1), Fraction(3)]  # b = Φφₒ; G = ΦΦᵀ = [[1, 1], [1, 5]]
    for _ in range(terms):
        total = [a + b / 10 for a, b in zip(total, term, strict=True)]
        term = [term[0] - (term[0] + term[1]) / 10, term[1] - (term[0] + 5 * term[1]) / 10]
    return tuple(total)


def test_trajectories_in_rational_numbers():
    result = antidistillation_trajectories.run(terms=(1, 2, 6, 11, 21))
    assert [run.parameter for run in result.runs] == [None, 1, 2, 6, 11, 21]
    for k, run in enumerate(result.runs):
        v, loop = rational_direction(run.parameter), run.loops["auto"]
        u = [float(2 * each / sum(v)) for each in v]  # on u₁ + u₂ = 2
        np.testing.assert_allclose(run.limit.u, u, rtol=1e-14)
        np.testing.assert_allclose(loop.u, u, rtol=1e-11)
        np.testing.assert_allclose(result.hypergradients[k], [-float(each) for each in v], rtol=1e-14)
        cosine = float(sum(v)) / np.sqrt(float(2 * (v[0] ** 2 + v[1] ** 2)))
        assert np.cos(np.radians(result.angle(k))) == pytest.approx(cosine, abs=1e-14)
        path, decay = loop.history.u, float(1 - sum(v) / 4)  # u₁ + u₂ − 2 shrinks by 1 − β(v₁ + v₂)/2 each step
        np.testing.assert_allclose(2 - path[:20].sum(axis=1), 2 * decay ** np.arange(20), rtol=1e-11)
    assert result.runs[1].limit.u == pytest.approx([0.5, 1.5]) and result.angle(0) == 0.0


def test_the_task_and_its_solutions():
    result = antidistillation_setup.run()
    assert (result.inner_rank, result.outer_rank, result.problem.inner_size, result.x.size) == (13, 1, 21, 13)
    for answer in result.answers:  # φₒ is a row of Φ: the nearest solution moves the middle target alone
        expected = np.where(np.arange(13) == 6, 2.0, answer.start)
        np.testing.assert_allclose(answer.limit.u, expected, atol=1e-12)
        assert answer.fit[200] == pytest.approx(2.0)
    starts = [row[0] for row in antidistillation_setup.table(result).rows]
    assert starts == ["0", "2", "x", "−1 − 0.5x"]
