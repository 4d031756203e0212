"""The counts of `pyblo.experiments.iteration_complexity`: from filters, with the core's own runs beside them, and for SGD from its moments.

What has no filter, a momentum that grows and gradients that are drawn or not linear, is iterated here: the core has neither.
"""
import bisect

import numpy as np

import pyblo

from ..methods import require

__all__ = ["convex", "nonconvex", "nonconvex_stochastic", "strongly_convex", "strongly_convex_stochastic"]


MOST_FILTERED, MOST_SUMMED, MOST_MADE = 2**53, 2**24, 10**7  # steps in closed form, kept in memory, and made one by one


def strongly_convex(kappas, accuracies, modes):
    """Return the counts for pairs (κ, ε) by algorithm, and how far the core's runs are from the filters, in units of ε."""
    counts, gaps = {"GD": [], "Nesterov": []}, []
    for kappa, accuracy in zip(kappas, accuracies, strict=True):
        values, mu = np.geomspace(1 / kappa, 1.0, modes), 1 / kappa
        for name, step, momentum in (("GD", pyblo.bounds.optimal_step(mu, 1.0), 0.0), ("Nesterov", *pyblo.bounds.nesterov(mu, 1.0))):
            error = _error_of(values, step, momentum)
            counts[name].append(_least(lambda t, error=error, accuracy=accuracy: np.max(error(t) ** 2) <= accuracy))
            gaps.append(_core_gap(kappa, counts[name][-1], step, momentum) / accuracy)
    return counts, max(gaps)


def strongly_convex_stochastic(kappas, accuracies, variance):
    """Return the counts of SGD for pairs (κ, ε), on the eigenvalues 1/κ, 1/√κ and 1."""
    return {"SGD": [_decreasing_steps(np.geomspace(1 / kappa, 1.0, 3), variance, accuracy)
                    for kappa, accuracy in zip(kappas, accuracies, strict=True)]}, 0.0


def convex(accuracies, variance, modes):
    """Return the counts for each ε by algorithm, and how far the core's run is from the filter for the first of them."""
    values = np.geomspace(1e-3 * accuracies.min(), 1.0, modes)
    error = _error_of(values, 1.0, 0.0)
    plain = [_least(lambda t, accuracy=accuracy: np.max(0.5 * values * error(t) ** 2) <= accuracy) for accuracy in accuracies]
    gap = _core_gap(1 / accuracies[0], plain[0], 1.0, 0.0) / accuracies[0]
    return {"GD": plain, "Nesterov": _growing_momentum(values, accuracies),
            "SGD": [_constant_step(values, variance, accuracy) for accuracy in accuracies]}, gap


def _least(reached):
    """Return the least t ≥ 0 at which a condition holds that, once true, stays true."""
    top = 1
    while not reached(top):
        _allow(top, MOST_FILTERED)
        top *= 2
    return bisect.bisect_left(range(top), True, key=reached)


def _error_of(values, step, momentum):
    def error(t):
        return 1 - values * pyblo.Unrolled(t, step, momentum, nesterov=True).filter(values)

    return error


def _core_gap(kappa, count, step, momentum):
    """Return max |(1 − w_t)² − p_t²| of the core's run of t = count steps on f = Σλ(w − 1)²/2, twelve λ in [1/κ, 1]."""
    values = np.geomspace(1 / kappa, 1.0, 12)
    problem = pyblo.Quadratic(A=np.diag(values), B=np.zeros((12, 1)), P=np.eye(12), d=-values)
    inner = pyblo.GradientDescent(count, step, momentum, nesterov=True)
    w = pyblo.hypergradient(problem, [0.0], method=pyblo.Identity(), inner=inner, route="iterate").w
    return np.max(np.abs((1 - w) ** 2 - _error_of(values, step, momentum)(count) ** 2))


def _decreasing_steps(values, variance, accuracy):
    """Return the count of SGD with steps η_t = b/(γ + t), b = 2κ, γ = 4κ (paper 003; MATH §8), from its second moments.

    v₊ = (1 − η_tλ)² v + η_t²σ²λ, so v_t = P_t (1 + σ²λ Σ_{s<t} η_s²/P_{s+1}) with P_t = Π_{s<t} (1 − η_sλ)², in logarithms.
    """
    horizon = 1024
    while True:
        steps = 2 / values[0] / (4 / values[0] + np.arange(horizon))
        shrinkage = np.cumsum(2 * np.log1p(-np.multiply.outer(values, steps)), axis=-1)
        noise = np.logaddexp.accumulate(2 * np.log(steps) - shrinkage, axis=-1) + np.log(variance * values)[:, None]
        reached = (shrinkage + np.logaddexp(0.0, noise)).max(axis=0) <= np.log(accuracy)
        if reached.any():
            return int(np.argmax(reached)) + 1
        _allow(horizon, MOST_SUMMED)
        horizon *= 4


def _constant_step(values, variance, accuracy):
    """Return the count of SGD with the constant step, of twenty, that reaches E[f − f*] ≤ ε first.

    v_t = p^{2t} + η²σ²λ (1 − p^{2t})/(1 − p²), p = 1 − ηλ; the noise alone is ησ²/(2(2 − η)) at λ = 1.
    """
    counts = []
    for step in np.minimum(np.linspace(0.05, 0.95, 19) * 4 * accuracy / (variance + 2 * accuracy), 1.0):
        def reached(t, step=step):
            kept = (1 - step * values) ** (2 * t)
            return np.max(0.5 * values * (kept + step * variance * (1 - kept) / (2 - step * values))) <= accuracy

        counts.append(_least(reached))
    return min(counts)


def _growing_momentum(values, accuracies):
    """Return the counts of Nesterov's method of 1983, momentum (t − 1)/(t + 2), on f = Σλw²/2."""
    runs = _iterates(lambda w: values * w, np.ones_like(values), 1.0, lambda t: max(t - 1, 0) / (t + 2))
    return _first(((0.5 * values * w**2).max() for w in runs), accuracies)


def nonconvex(accuracies, momentum):
    """Return the counts on f = ½log(1 + w²) for each ε by algorithm, from w₀ with f′(w₀)² = 2ε."""
    start = _plateau(accuracies)
    runs = {"GD": _iterates(_cauchy, start, 1.0), "Nesterov": _iterates(_cauchy, start, 1.0, lambda t: momentum)}
    return {name: _first((_cauchy(w) ** 2 for w in run), accuracies) for name, run in runs.items()}, 0.0


def nonconvex_stochastic(accuracies, variance, chains, rng):
    """Return the counts of SGD, E over so many chains. Steps are ε/σ², so that near w* = 0, E f′² ≈ ησ²/2 = ε/2."""
    step = np.minimum(accuracies / variance, 1.0)[:, None]
    run = _iterates(lambda w: _cauchy(w) + np.sqrt(variance) * rng.standard_normal(w.shape),
                    np.repeat(_plateau(accuracies)[:, None], chains, axis=1), step)
    return {"SGD": _first((np.mean(_cauchy(w) ** 2, axis=1) for w in run), accuracies)}, 0.0


def _cauchy(w):
    return w / (1 + w**2)


def _plateau(accuracies):
    slope = np.sqrt(2 * accuracies)
    return (1 + np.sqrt(1 - 4 * slope**2)) / (2 * slope)


def _iterates(gradient, w, step, momentum=lambda t: 0.0):
    """Yield w₀, w₁, …: y = w + m_t(w − w₋), w₊ = y − α∇f(y)."""
    before, t = w, 0
    while True:
        yield w
        ahead = w + momentum(t) * (w - before)
        before, w, t = w, ahead - step * gradient(ahead), t + 1


def _first(measures, accuracies):
    """Return at which of the measures, numbers or one for each ε, each ε is first reached."""
    counts, t = np.full(accuracies.size, -1), 0
    while (counts < 0).any():
        _allow(t, MOST_MADE)
        counts[(counts < 0) & (next(measures) <= accuracies)] = t
        t += 1
    return counts


def _allow(steps, most):
    require(steps < most, f"accuracies: one is not reached in {most:,} steps, more than can be counted; choose larger ones")
