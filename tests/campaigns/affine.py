"""Affine maps against the loops that they describe: iterates, limits, and where loops diverge.

The unit of error of t steps is ε κ t with κ the condition of the trajectory, a bound of what one rounding error of each step becomes:

    κ = G σ,   G = max ‖Eⁱ‖,   σ = max [β κ_A ‖B‖‖R‖(‖P‖‖w‖ + ‖f‖) + κ_A (‖w‖ + ‖w₀‖ + ‖R_in‖(‖B‖‖u‖ + ‖d‖)) + ‖u‖],

κ_A = λmax/λmin⁺ of A: in brackets stands what a relative change of ε in A moves of u⁺ and w⁺ (compare campaigns/exact.py), at the largest
iterate seen; G is taken over i = 1, 2, 4, …, at most t, so less than the true maximum: the test is stricter for it.
"""

import generate
import numpy as np
from oracle import Tally

import pyblo
from pyblo.dynamics import affine_map

EPS = np.finfo(float).eps
TIMES = (1, 10, 1000)
LIMIT = 100.0
STEPS = 1_000_000
GROWTH = 40.0  # e⁴⁰ is expected of a loop that diverges


def pairs(rng, top):
    """Every filter method with every inner solver, their numbers drawn; Unrolled brings its own run."""
    count = lambda: int(rng.integers(1, 8))
    step = lambda: generate.rounded(rng.uniform(0.1, 1.8) / top)
    momentum = lambda: float(rng.integers(1, 16)) / 16
    descent = lambda **kind: {"steps": count(), "step": step(), **kind}
    methods = [
        pyblo.Exact(),
        pyblo.Damped(generate.rounded(top * 10 ** rng.uniform(-3, 1))),
        pyblo.Neumann(count(), step=step()),
        pyblo.FixedPoint(count()),
        pyblo.Identity(),
    ]
    inners = [
        pyblo.ClosedForm(),
        pyblo.Proximal(generate.rounded(top * 10 ** rng.uniform(-3, 1))),
        pyblo.GradientDescent(**descent()),
        pyblo.GradientDescent(steps=count(), momentum=momentum()),
        pyblo.GradientDescent(steps=count(), momentum=momentum(), nesterov=True, step=generate.rounded(0.9 / top)),
    ]
    yield from ((method, inner) for method in methods for inner in inners)
    yield pyblo.Unrolled(**descent()), None
    yield pyblo.Unrolled(steps=count(), momentum=momentum()), None
    yield pyblo.Unrolled(steps=count(), momentum=momentum(), nesterov=True, step=generate.rounded(0.9 / top)), None


def name_of(method, inner):
    """A short name of a method and its inner run."""
    run = method if inner is None else inner
    momentum = getattr(run, "momentum", 0.0)
    kind = ("Nesterov" if run.nesterov else "heavy ball") if momentum else type(run).__name__
    return f"{type(method).__name__} {kind}"


class Trial:
    """One algorithm on one problem: its map, its loop, and the norms in the unit of error."""

    def __init__(self, case, problem, algorithm, method, inner, seed, tally):
        self.case, self.problem, self.algorithm = case, problem, algorithm
        self.method, self.inner, self.seed, self.tally = method, inner, seed, tally
        self.name = f"{algorithm} {name_of(method, inner)}"
        inverse = np.linalg.pinv(case.A, rcond=1e-10, hermitian=True)
        self.response, self.mean = -inverse @ case.B, case.w0 - inverse @ (case.A @ case.w0 + case.d)
        self.map = self.of(None)
        self.z0 = self.map.start(case.u, *([case.w0] if algorithm == "warm" else []))

    def of(self, step):
        """The map with another outer step."""
        return affine_map(
            self.problem, self.algorithm, method=self.method, inner=self.inner, step=step, w0=self.case.w0
        )

    def loop(self, step, count, history=False):
        """The library's own iteration, told never to stop."""
        run = pyblo.cold_start if self.algorithm == "cold" else pyblo.warm_start
        keywords = {"method": self.method, "inner": self.inner, "step": step, "maxiter": count, "tol": 0.0}
        return run(self.problem, self.case.u, self.case.w0, history=history, **keywords)

    def state(self, result):
        """z of the end of a loop."""
        return result.u if self.algorithm == "cold" else np.concatenate([result.u, result.w])

    def condition(self, affine, states, count):
        """κ of the module's head, for a map and some states that were visited."""
        c, m = self.case, self.problem.outer_size
        values = np.linalg.eigvalsh(c.A)[-c.rank :]
        adjoint = np.max(np.abs(self.method.filter(np.concatenate([[0.0] if c.rank < len(c.A) else [], values]))))
        sizes = [(np.linalg.norm(z[:m]), np.linalg.norm(self.inner_part(z))) for z in states]
        u, w = np.max(sizes, axis=0)
        inverse = c.kappa / c.top
        force = inverse * (np.linalg.norm(c.B, 2) * u + np.linalg.norm(c.d))
        outer = np.linalg.norm(c.P, 2) * (w + np.linalg.norm(c.w0)) + np.linalg.norm(c.f)
        step = affine.step * c.kappa * np.linalg.norm(c.B, 2) * adjoint * outer
        return (step + c.kappa * (w + np.linalg.norm(c.w0) + force) + u) * self.growth(affine.matrix, count)

    def inner_part(self, z):
        """w of a state, of cold start the inner solution at u."""
        m = self.problem.outer_size
        return z[m:] if self.algorithm == "warm" else self.mean + self.response @ z

    @staticmethod
    def growth(matrix, count):
        """max ‖Eⁱ‖ over i = 1, 2, 4, …, count."""
        power, most = matrix, 1.0
        with np.errstate(over="ignore", invalid="ignore"):
            while count:
                most = max(most, np.linalg.norm(power)) if np.isfinite(power).all() else np.inf
                power, count = power @ power, count // 2
        return most

    def iterates(self):
        """z_t of the map and of the loop."""
        result = self.loop(None, TIMES[-1], history=True)
        if result.status == pyblo.Status.UNBOUNDED:
            return
        seen = [self.z0]
        for t in TIMES:
            if t > result.nit and result.status == pyblo.Status.DIVERGED:
                self.tally.add("share of loops that overflow", 1.0, 1.0, self.seed)
                return
            row = min(t, result.nit)  # a loop ends before its time where the gradient is zero
            state = self.state(pyblo.BilevelResult(u=result.history.u[row], w=result.history.w[row]))
            seen.append(state)
            unit = EPS * self.condition(self.map, seen, t) * t
            self.tally.compare(self.name, np.linalg.norm(self.map.iterate(self.z0, t) - state), unit, LIMIT, self.seed)

    def limits(self, steps):
        """The limit against the end of a long loop, at half the largest stable step."""
        _, high = self.map.stable_steps
        if not 0 < high < np.inf:
            return
        affine = self.of(0.5 * high)
        slow = affine.rate > 1e-14 ** (1 / steps)
        self.tally.add("share of loops too slow for their limit", float(slow), 1.0, self.seed)
        if slow or not affine.converges:
            return
        state, limit = self.state(self.loop(0.5 * high, steps)), affine.limit(self.z0)
        # A rounding of each step lives for 1/(1 − rate) steps, and for ever where z stands still.
        unit = EPS * self.condition(affine, [self.z0, state], steps) * (1 / (1 - affine.rate) + np.sqrt(steps))
        self.tally.compare(f"limit, {self.algorithm}", np.linalg.norm(limit - state), unit, LIMIT, self.seed)
        far = affine.iterate(self.z0, 10**15)
        unit = EPS * self.condition(affine, [self.z0, state], steps) / (1 - affine.rate)
        self.tally.compare("iterate of 10¹⁵ steps against the limit", np.linalg.norm(limit - far), unit, LIMIT, self.seed)

    def border(self, steps):
        """Loops converge below the largest stable step and diverge above it; where no step is stable they diverge at once."""
        low, high = self.map.stable_steps
        for factor, stable in ((0.9, True), (1.1, False)):
            step = factor * high if 0 < high < np.inf else self.map.step
            stable = stable and 0 < high and step > low
            affine = self.of(step)
            rate = affine.rate
            name = "the verdict at 0.9 and 1.1 of the largest stable step"
            if 0 < high < np.inf:
                self.tally.require(name, affine.converges == stable, self.seed)
            needed = int(2 * GROWTH / abs(np.log(rate))) + 10 if rate not in (0.0, 1.0) else 10
            self.tally.add("share of loops too slow to diverge", float(needed > steps), 1.0, self.seed)
            if needed > steps:
                continue
            last, first = self.loop(step, needed), self.loop(step, 1)
            if rate > 1:
                grown = last.status == pyblo.Status.DIVERGED or self.moves(affine, last) > 1e3 * self.moves(affine, first)
                self.tally.require(f"loops diverge as predicted, {self.algorithm}", bool(grown), self.seed)
            elif affine.converges:
                noise = LIMIT * EPS * self.condition(affine, [self.z0, self.state(last)], needed)
                calm = self.moves(affine, last) <= max(noise, 1e-3 * self.moves(affine, first))
                self.tally.require(f"loops converge as predicted, {self.algorithm}", bool(calm), self.seed)

    def moves(self, affine, result):
        """‖Ez + c − z‖ at the end of a loop."""
        z = self.state(result)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.linalg.norm(affine.matrix @ z + affine.offset - z)


def check(seed, tally, largest=15, long=STEPS, all_pairs=True):
    """Everything for one problem: all algorithms step by step, one of them to its border, and of every 16th problem to its limit."""
    case = generate.quadratic(seed, largest=largest)
    problem = pyblo.Quadratic(case.A, case.B, case.P, **case.parts())
    rng = np.random.default_rng((seed, 11))
    chosen = list(pairs(rng, case.top))
    drawn = int(rng.integers(len(chosen)))
    for number, (method, inner) in enumerate(chosen):
        if all_pairs or number == drawn:
            for algorithm in ("cold", "warm"):
                trial = Trial(case, problem, algorithm, method, inner, seed, tally)
                trial.iterates()
                if number == drawn:
                    trial.border(long)
                    if seed % 16 == 0:
                        trial.limits(long)


def campaign(count=2000, first=0):
    """The tally of `count` problems."""
    tally = Tally()
    for seed in range(first, first + count):
        check(seed, tally)
    return tally
