"""The measurements behind how-to-choose.md: prints its tables, as Markdown, in some twenty seconds.

    python docs/measure_choices.py
"""
import time
import warnings

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

import pyblo


def show(title, columns, rows):
    """Print a table as Markdown."""
    print(f"\n**{title}**\n")
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(cell if isinstance(cell, str) else f"{cell:.1e}" for cell in row) + " |", flush=True)


def spectrum_problem(n, eigenvalues, outer=5, seed=0):
    """Return a Quadratic whose A has the given eigenvalues (zeros for the rest), and its A⁺."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0][:, : len(eigenvalues)]
    A, inverse = (Q * eigenvalues) @ Q.T, (Q / eigenvalues) @ Q.T
    B, d = Q @ rng.standard_normal((len(eigenvalues), outer)), Q @ rng.standard_normal(len(eigenvalues))
    S = rng.standard_normal((n, n)) / np.sqrt(n)
    problem = pyblo.Quadratic((A + A.T) / 2, B, S.T @ S, d=d, f=rng.standard_normal(n))
    return problem, inverse


def spread(condition, count):
    """Return eigenvalues from 1 down to 1/condition, evenly spaced in their logarithm."""
    return np.geomspace(1.0, 1.0 / condition, count)


PROBLEMS = {
    "κ = 10": lambda: spectrum_problem(200, spread(10, 200)),
    "κ = 10⁴": lambda: spectrum_problem(200, spread(1e4, 200)),
    "κ = 10⁴, rank 100": lambda: spectrum_problem(200, spread(1e4, 100)),
    "κ = 10⁴, 196 of 200 equal": lambda: spectrum_problem(200, np.r_[np.ones(195), spread(1e4, 5)]),
}


def error(problem, inverse, method, **keywords):
    """Return the relative error of a hypergradient at u = 1."""
    u = np.ones(problem.outer_size)
    w = -inverse @ (problem.B @ u + problem.d)
    truth = -problem.B.T @ (inverse @ (problem.P @ w + problem.f))
    found = pyblo.hypergradient(problem, u, method=method, **keywords)
    return np.linalg.norm(found.grad - truth) / np.linalg.norm(truth)


def heavy_ball(steps, condition):
    """Return heavy ball with the step and momentum that are best for eigenvalues in [1/condition, 1]."""
    root = np.sqrt(condition)
    return pyblo.Unrolled(steps, step=(2 * root / (root + 1)) ** 2, momentum=((root - 1) / (root + 1)) ** 2)


def methods():
    """Error against the number of products with H."""
    rows = []
    for name, make in PROBLEMS.items():
        problem, inverse = make()
        condition = 10 if name == "κ = 10" else 1e4
        makers = {
            "CG": lambda k: pyblo.CG(maxiter=k, rtol=0.0), "Neumann": pyblo.Neumann,
            "Unrolled": pyblo.Unrolled, "Unrolled, best heavy ball": lambda k, c=condition: heavy_ball(k, c)}
        for kind, of in makers.items():
            rows.append((name, f"`{kind}`", *(error(problem, inverse, of(k)) for k in (5, 20, 100, 500))))
        rows.append((name, "`Exact`", *[error(problem, inverse, pyblo.Exact())] + ["", "", ""]))
    show("Relative error of dF/du after k products with H (n = 200)", ("problem", "method", "k = 5", "20", "100", "500"), rows)
    dampings = (1e-1, 1e-2, 1e-4, 1e-6, 1e-8)
    rows = [(name, *(error(*make(), pyblo.Damped(eps)) for eps in dampings)) for name, make in PROBLEMS.items()]
    show("Relative error of `Damped(eps)`, λmax = 1", ("problem", "eps = 1e-1", "1e-2", "1e-4", "1e-6", "1e-8"), rows)


def median_seconds(call, repeat=5):
    """Return the median wall time of a call."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return np.median(times)


def milliseconds(seconds):
    """Return a time as text."""
    return f"{1e3 * seconds:.2g} ms" if seconds < 0.1 else f"{1e3 * seconds:.0f} ms"


def routes():
    """What preparing costs and what each hypergradient costs after it, with a fixed Hessian."""
    choices = {
        "`Exact()`": (pyblo.Exact(), "auto"), "`CG(rtol=1e-6)`": (pyblo.CG(rtol=1e-6), "auto"),
        "`Neumann(1000)`, spectral": (pyblo.Neumann(1000), "spectral"),
        "`Neumann(1000)`, iterate": (pyblo.Neumann(1000), "iterate"),
        "`Neumann(5)`, iterate": (pyblo.Neumann(5), "iterate")}
    rows = []
    for n in (20, 200, 1000):
        problem, _ = spectrum_problem(n, spread(1e3, n))
        u = np.ones(problem.outer_size)
        for name, (method, route) in choices.items():
            make = lambda: pyblo.prepare(problem, method=method, route=route)  # noqa: B023
            prepared = make()
            cost = median_seconds(make, 3), median_seconds(lambda: prepared.hypergradient(u), 5)  # noqa: B023
            rows.append((f"{n}", name, *map(milliseconds, cost)))
    show("Fixed Hessian, κ = 10³: time", ("n", "method", "prepare, once", "each hypergradient"), rows)


def ridge(rows, features, seed=0):
    """Return a Ridge problem with correlated features."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((2 * rows, features)) * np.geomspace(1.0, 0.03, features)
    X = X @ np.linalg.qr(rng.standard_normal((features, features)))[0]
    y = X @ rng.standard_normal(features) + 0.1 * rng.standard_normal(2 * rows)
    return pyblo.Ridge(X[:rows], y[:rows], X[rows:], y[rows:])


def moving():
    """The same where H depends on u and must be factored at every u."""
    rows = []
    for n in (20, 200, 1000):
        problem = ridge(2 * n, n)
        u = np.full(n, -6.0)
        w, truth = problem.inner_solution(u), pyblo.hypergradient(problem, u).grad
        for method in (pyblo.Exact(), pyblo.CG(rtol=1e-8), pyblo.CG(rtol=1e-2), pyblo.Neumann(20)):
            prepared = pyblo.prepare(problem, method=method)
            found = prepared.hypergradient(u, w)
            shifts = iter(np.linspace(1e-9, 1e-8, 5))  # at every u a new Hessian
            seconds = median_seconds(lambda: prepared.hypergradient(u + next(shifts), w))  # noqa: B023
            name = f"`{type(method).__name__}`" + (f", rtol {method.rtol:g}" if isinstance(method, pyblo.CG) else "")
            gap = np.linalg.norm(found.grad - truth) / np.linalg.norm(truth)
            rows.append((f"{n}", name, gap, str(found.nhvp), milliseconds(seconds)))
    show("Ridge with one penalty per feature, at a given w", ("features", "method", "relative error", "products", "time"), rows)


def inner_solvers():
    """Error of w after t inner steps."""
    rows = []
    for condition in (10, 1e4):
        problem, inverse = spectrum_problem(100, spread(condition, 100))
        u, root = np.ones(problem.outer_size), np.sqrt(condition)
        exact = -inverse @ (problem.B @ u + problem.d)
        runs = {
            "plain, step 1/λmax (the default)": {}, "plain, step 2/(λmax+λmin)": {"step": 2 / (1 + 1 / condition)},
            "Nesterov, m = (√κ−1)/(√κ+1)": {"step": 1.0, "momentum": (root - 1) / (root + 1), "nesterov": True},
            "heavy ball, best step and m": {
                "step": (2 * root / (root + 1)) ** 2, "momentum": ((root - 1) / (root + 1)) ** 2},
            "heavy ball, step 1/λmax, m = 0.9": {"momentum": 0.9}}
        for name, settings in runs.items():
            errors = []
            for steps in (10, 100, 1000):
                inner = pyblo.GradientDescent(steps=steps, **settings)
                w = pyblo.hypergradient(problem, u, method=pyblo.Identity(), inner=inner).w
                errors.append(np.linalg.norm(w - exact) / np.linalg.norm(exact))
            rows.append((f"{condition:g}", name, *errors))
    show("Relative error of w after t inner steps (n = 100)", ("κ", "inner run", "t = 10", "100", "1000"), rows)


def starts():
    """Cold against warm start with few inner steps."""
    rows = []
    for condition in (10, 1000):
        problem, inverse = spectrum_problem(50, spread(condition, 50))
        best = pyblo.equilibria.cold_start(problem, np.zeros(problem.outer_size)).u
        for steps in (1, 5, 20, 100):
            row = [f"{condition:g}", f"{steps}"]
            for loop in (pyblo.cold_start, pyblo.warm_start):
                inner = pyblo.GradientDescent(steps=steps)
                found = loop(problem, np.zeros(problem.outer_size), inner=inner, maxiter=20_000, tol=1e-8, history=False)
                gap = np.linalg.norm(found.u - best) / np.linalg.norm(best)
                row += [f"{gap:.1e}" if np.isfinite(gap) else "∞", f"{found.nit}, {found.status.name}"]
            rows.append(row)
    columns = ("κ", "inner steps", "cold: ‖u−u*‖/‖u*‖", "cold: outer steps", "warm: ‖u−u*‖/‖u*‖", "warm: outer steps")
    show("Cold and warm start, method Exact, default outer step", columns, rows)


def overparameterised():
    """Where many outer solutions are equally good: which one is found."""
    x = np.linspace(-2, 2, 13)
    features = pyblo.datasets.fourier_features
    problem = pyblo.TargetLearning(features(x, 10), features([0.0], 10), [2.0])
    rows = []
    for method in (pyblo.Exact(), pyblo.Neumann(100), pyblo.Neumann(5), pyblo.Damped(1e5)):
        row = [f"`{method}`"]
        partial = pyblo.GradientDescent(steps=5)
        for loop, inner in ((pyblo.cold_start, None), (pyblo.warm_start, None), (pyblo.warm_start, partial)):
            found = loop(problem, np.zeros(13), method=method, inner=inner, maxiter=100_000, tol=1e-6, history=False)
            row.append(f"{found.u @ found.u:.3f} ({found.status.name})")
        rows.append(row)
    columns = ("method", "cold, ClosedForm", "warm, ClosedForm", "warm, 5 inner steps")
    show("Anti-distillation, 13 targets, one fitted point: ‖u‖² found from u = 0 (least possible: 4)", columns, rows)


def outer_steps():
    """The default outer step and its limit."""
    problem, _ = spectrum_problem(50, spread(100, 50))
    zero = np.zeros(problem.outer_size)
    rows = []
    for method in (pyblo.Exact(), pyblo.Neumann(10)):
        limit = pyblo.equilibria.cold_start(problem, zero, method=method)
        for factor in (0.25, 0.5, 0.9, 0.99, 1.01):
            step = factor * limit.max_step
            found = pyblo.cold_start(problem, zero, method=method, step=step, maxiter=100_000, history=False)
            rows.append((f"`{method}`", f"{factor:g} × max_step", f"{found.nit}", found.status.name))
    show("Outer step against `equilibria.cold_start(...).max_step`", ("method", "step", "outer steps", "status"), rows)


def line_search():
    """L-BFGS-B with approximate gradients on real data."""
    X, y, subject, _ = pyblo.datasets.parkinsons()
    fold = np.unique(subject, return_inverse=True)[1] % 3
    X = (X - X[fold == 0].mean(0)) / X[fold == 0].std(0)
    target = 2.0 * y - 1.0
    problem = pyblo.Ridge(X[fold == 0], target[fold == 0], X[fold == 1], target[fold == 1])
    start, rows = np.zeros(22), []
    truth = pyblo.value_and_grad(problem)
    choices = {"Exact": pyblo.Exact(), "CG, rtol 1e-10": pyblo.CG(rtol=1e-10), "CG, rtol 1e-2": pyblo.CG(rtol=1e-2),
               "Neumann, 2 terms": pyblo.Neumann(2), "Neumann, 100 terms": pyblo.Neumann(100),
               "Unrolled, 2 steps": pyblo.Unrolled(2), "Unrolled, 100 steps": pyblo.Unrolled(100)}
    for name, method in choices.items():
        function = pyblo.value_and_grad(problem, method=method)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found = minimize(function, start, jac=True, method="L-BFGS-B", bounds=[(-10, 10)] * 22, options={"maxiter": 500})
        value, grad = truth(found.x)
        inside = np.abs(found.x) < 10
        end = found.message.split(":")[-1].strip().lower() or "the line search failed"
        rows.append((f"`{name}`", f"{value:.4f}", np.linalg.norm(grad[inside]), f"{found.nfev}", end))
    for name in ("Exact", "Neumann, 2 terms"):
        found = pyblo.cold_start(problem, start, method=choices[name], step=10.0, maxiter=200, history=False)
        value, grad = truth(found.u)
        rows.append((f"`{name}`, gradient steps", f"{value:.4f}", np.linalg.norm(grad), f"{found.nit}", found.status.name))
    columns = ("gradient", "true F at the end", "true ‖dF/du‖ inside the bounds", "evaluations", "how it ended")
    show("Ridge on the Parkinson data, 22 penalties; F at the start: " + f"{truth(start)[0]:.4f}", columns, rows)


def main():
    for measure in (methods, routes, moving, inner_solvers, starts, overparameterised, outer_steps, line_search):
        measure()


if __name__ == "__main__":
    with threadpool_limits(limits=1):  # timings that can be compared
        main()
