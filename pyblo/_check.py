"""Whether the methods of a problem agree with each other, up to what rounding explains."""
import html
import warnings
from dataclasses import dataclass

import numpy as np

from . import _namespace
from .problem import Problem

__all__ = ["Check", "ProblemReport", "check_problem"]

DENSE = 400  # up to this size operators are written out as matrices
COORDINATES = 32  # up to this size every coordinate is a direction of its own
SAMPLES = 8  # random directions beyond those sizes


@dataclass(frozen=True)
class Check:
    """One property of one method; error (≤ tolerance on success) is relative to the size of what was compared."""

    name: str
    method: str
    success: bool
    error: float = 0.0
    tolerance: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class ProblemReport:
    """What check_problem found on a problem of this class: all checks, and what was not judged, with the reason."""

    problem: str
    checks: tuple
    skipped: tuple = ()

    @property
    def success(self):
        """Whether no check failed."""
        return not self.failures

    @property
    def failures(self):
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.success)

    def __bool__(self):
        return self.success

    def __str__(self):
        failed, count = len(self.failures), len(self.checks)
        lines = [f"{self.problem}: " + (f"{failed} of {count} checks failed" if failed else f"all {count} checks passed")]
        for check in self.checks:
            numbers = f" (deviation {check.error:.2g}, tolerance {check.tolerance:.2g})" if check.error else ""
            if check.message:
                lines.append(f"  {'note' if check.success else 'FAILED'}: {check.method}, {check.name}: {check.message}{numbers}")
        return "\n".join(lines + [f"  not checked: {what}" for what in self.skipped])

    def _repr_html_(self):
        def row(tag, *cells):
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        checks = sorted(self.checks, key=lambda check: check.success)
        rows = [row("td", c.method, c.name, "ok" if c.success else "failed", f"{c.error:.2g}", f"{c.tolerance:.2g}", c.message)
                for c in checks]
        rows += [row("td", "", "", "not checked", "", "", what) for what in self.skipped]
        head = row("th", "method", "check", "", "deviation", "tolerance", "message")
        return f"<table><caption>{html.escape(str(self).splitlines()[0])}</caption>{head}{''.join(rows)}</table>"


def check_problem(problem, u, w, *, rng=None):
    """Check at (u, w) that the methods of a problem fit each other, and report which one does not, how and by how much.

    ∇_w f against f, ∂F against F, H and M against ∇_w f, by differences and, where they work, complex steps; H = Hᵀ ⪰ 0;
    qᵀ(Mv) = (Mᴴq)ᵀv; (I − HH⁺)∇_w f = 0 where f is quadratic in w; ∇_w f = 0 at the inner solution, which is nearest w;
    every method returns new, finite, reproducible values of the right shape and dtype, and writes nothing.

    Parameters
    ----------
    problem : Problem
        One problem, not a batch. Where its attribute `symmetric` is False, H need be neither symmetric nor semidefinite.
        `inner_value` and `inner_solution` may be absent: None, or raising NotImplementedError.
    u, w : array_like
        Where to check: a generic point, away from solutions and zeros, shows most.
    rng : int or numpy.random.Generator, optional
        For random directions; by default the same at every call.

    Returns
    -------
    ProblemReport
        With success, checks and failures; it prints. Whatever a method raises is reported, not raised.

    Raises
    ------
    TypeError, ValueError
        For a problem that is no `Problem` or is a batch, and for u, w or rng that do not fit.

    Examples
    --------
    >>> import pyblo
    >>> class Wrong(pyblo.TargetLearning):
    ...     def cross(self, u, w):
    ...         return -super().cross(u, w)
    >>> print(pyblo.check_problem(Wrong([[1.0, 2.0]], [[1.0, 1.0]], [1.0]), u=[1.0], w=[0.5, 1.0]))
    Wrong: 1 of ... checks failed
      FAILED: cross, derivative: along u[0], component 1: cross gives 2, differences of inner_gradient give -2;
      -1 times it would fit (deviation 2, tolerance ...)
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a pyblo.Problem, got {type(problem).__name__}")
    rng = np.random.default_rng(0 if rng is None else rng)
    try:
        batch, shapes = tuple(problem.batch_shape), (tuple(problem.outer_shape), tuple(problem.inner_shape))
        dtype = np.dtype(problem.dtype)
        if dtype not in _namespace.FLOATS or not np.ones(shapes[0]).size == problem.outer_size \
                or not np.ones(shapes[1]).size == problem.inner_size:
            raise ValueError(f"shapes {shapes} of sizes {problem.outer_size}, {problem.inner_size}, dtype {dtype}")
    except Exception as error:
        return ProblemReport(type(problem).__name__, (Check("runs", "attributes", False, message=_said(error)),))
    if batch:
        raise TypeError(f"problem: has batch_shape {batch}; check one problem of the batch")
    u, w = (_namespace.fit_finite(*named, dtype) for named in (("u", u, shapes[0]), ("w", w, shapes[1])))
    examiner = _Examiner(problem, u, w, dtype, rng)
    with np.errstate(all="ignore"):
        examiner.attempt("problem", examiner.examine)
    return ProblemReport(type(problem).__name__, tuple(examiner.checks), tuple(examiner.skipped))


def _said(error):
    return str(error) if isinstance(error, _Broken) else f"raised {type(error).__name__}: {error}"


class _Broken(Exception):
    """A fault found while a method was called; its text is the finding."""


def _absent(error):
    return isinstance(error, NotImplementedError) or isinstance(error, ValueError) and str(error).endswith("was not given")


def _norm(x):
    x = np.asarray(x, np.float64).ravel()
    return float(np.sqrt(x @ x))


def _slope_error(phi, slope, x, v, magnitude):
    """Return (deviation, tolerance, predicted) of slope(v) from the derivative of phi at x along v.

    The deviation is Richardson's extrapolation of E(h) = [phi(x + hv) − phi(x − hv) − slope(2hv)]/2h for the h of a ladder
    whose bound is least: the noise σ that the smallest steps show, over h; the rounding of the terms, over h; and the
    disagreement with all smaller steps. Where phi takes complex numbers, Im phi(x + ihv)/h replaces it if it agrees.
    """
    eps, scale = float(np.finfo(x.dtype).eps), float(np.abs(x).max()) or 1.0
    steps, E, P, floor, fault = [], [], [], [], "NaN or infinity"
    for h in scale * 0.25 ** np.arange(int(-0.6 * np.log(eps) / np.log(4)) + 1):
        try:
            plus, minus = x + x.dtype.type(h) * v, x - x.dtype.type(h) * v
            a, b, p = (np.asarray(y, np.float64).reshape(-1) for y in (phi(plus), phi(minus), slope(plus - minus)))
        except Exception as error:  # outside the domain, perhaps: smaller steps remain
            a = b = p = np.array([np.nan])
            fault = _said(error)
        if not np.isfinite(a - b - p).all():
            steps, E, P, floor = [], [], [], []
            continue
        steps.append(h)
        E.append((a - b - p) / (2 * h))
        P.append(p / (2 * h))
        floor.append(2 * eps * (_norm(a) + _norm(b) + _norm(p) + magnitude) / h)
    if len(steps) < 4:
        raise _Broken(f"cannot be evaluated near (u, w): {fault}")
    E, steps = np.array(E), np.array(steps)
    R = (16 * E[1:] - E[:-1]) / 15
    sigma = (np.linalg.norm(np.diff(E, axis=0), axis=1) * steps[1:])[2 * len(R) // 3:].max()
    noise = 5 * sigma / steps
    bound = [floor[k] + noise[k] + (np.linalg.norm(R[k] - R[k + 1:], axis=1) - noise[k + 1:-1]).max(initial=0.0)
             for k in range(len(R))]
    best = int(np.argmin(bound))
    exact = _complex_error(phi, slope, x, v, scale * eps**2)
    if exact is not None and exact.shape == R[best].shape and _norm(exact - R[best]) <= 10 * bound[best]:
        return exact, 10 * min(bound[best], floor[0] + noise[0]), P[best]
    return R[best], 10 * bound[best], P[best]


def _complex_error(phi, slope, x, v, h):
    """Return Im phi(x + ihv)/h − slope(v), or None where phi does not take complex numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value = np.asarray(phi(x + 1j * h * v)).reshape(-1)
            error = value.imag.astype(np.float64) / h - np.asarray(slope(v), np.float64).reshape(-1)
    except Exception:
        return None
    return error if value.dtype.kind == "c" and np.isfinite(error).all() else None


def _compact(vector):
    """Return a direction in words: its entries, or the largest of many."""
    if vector.size <= 6:
        return np.array2string(vector, precision=3, suppress_small=True)
    largest = np.argsort(-np.abs(vector))[:3]
    return "mostly " + ", ".join(f"{vector[i]:.3g} at [{i}]" for i in largest)


class _Examiner:
    """One examination: the checks so far, and which methods may be relied upon in the next ones."""

    def __init__(self, problem, u, w, dtype, rng):
        self.problem, self.u, self.w, self.dtype, self.rng = problem, u, w, dtype, rng
        self.eps = float(np.finfo(dtype).eps)
        self.symmetric = bool(getattr(problem, "symmetric", True))
        self.near_u, self.near_w = self.nearby(u), self.nearby(w)
        self.checks, self.skipped, self.good, self.size = [], [], set(), {}
        self.quadratic, self.matrix = False, {}  # whether H is free of w; operators written out

    def examine(self):
        n, m, outer, inner = self.w.size, self.u.size, self.u.shape, self.w.shape
        point = {"u": (self.u, self.near_u), "w": (self.w, self.near_w)}
        for method, shapes in (("inner_value", [()]), ("inner_gradient", [inner]), ("outer_value", [()]),
                               ("outer_gradients", [outer, inner])):
            self.contract(method, getattr(self.problem, method, None), shapes, point)
        for method, columns in (("hessian", n), ("cross", m)):
            v, q = ({"v": (self.random(size), self.random(size))} for size in (columns, n))
            sound = self.contract(method, self.product(method), [(n,)], point | v)
            if method == "cross" and sound is not False or sound and not self.symmetric:
                self.contract(method, self.product(method, adjoint=True), [(columns,)], point | q, ".H: ")
            if sound is None and n <= DENSE:
                self.attempt(method, self.adjoint_only, method)
                continue
            if n and m and self.needs(f"{method}: symmetric, adjoint, linear", method):
                self.attempt(method, self.operator, method, columns)
        self.derivatives()
        if n and self.symmetric and self.needs("hessian: semidefinite", "hessian"):
            self.attempt("hessian", self.curvature)
        if self.needs("inner_solution", "hessian", "inner_gradient"):
            known = {"u": point["u"], "w0": point["w"]}
            if self.contract("inner_solution", getattr(self.problem, "inner_solution", None), [inner], known):
                self.attempt("inner_solution", self.solution)

    def nearby(self, x):
        """Return another generic point, an eighth of the size of x away."""
        size = _norm(x) / np.sqrt(max(x.size, 1)) or 1.0
        return (x + size / 8 * self.rng.standard_normal(x.shape)).astype(self.dtype)

    def random(self, *shape):
        return self.rng.standard_normal(shape).astype(self.dtype)

    def judge(self, name, method, error=0.0, tolerance=0.0, message="", size=1.0, note=""):
        """Record one check, in units of size; return whether it passed."""
        unit = size if 0 < size < np.inf else 1.0
        success = bool(error <= tolerance)
        self.checks.append(Check(name, method, success, float(error / unit), float(tolerance / unit), note if success else message))
        if not success:
            self.good.discard(method)
        return success

    def attempt(self, method, stage, *arguments):
        """Run a stage; an exception in it is the method's fault."""
        try:
            stage(*arguments)
        except Exception as error:
            self.judge("runs", method, np.inf, message=_said(error))

    def needs(self, what, *methods):
        """Return whether all methods may be relied upon, and note it where not."""
        missing = [method for method in methods if method not in self.good]
        if missing:
            self.skipped.append(f"{what}, for want of a sound {' and '.join(missing)}")
        return not missing

    def contract(self, method, function, shapes, points, prefix=""):
        """Judge what a method returns at the first and, once more, at the second of each pair of points.

        Return the verdict, None where the method is absent and may be.
        """
        inputs, others = ({name: pair[k].copy() for name, pair in points.items()} for k in (0, 1))
        try:
            if function is None:
                raise NotImplementedError
            first = function(*inputs.values())
        except Exception as error:
            if _absent(error) and not prefix and method in ("inner_value", "inner_solution", "cross"):
                self.skipped.append(f"{'products with cross' if method == 'cross' else method}, not being given")
                return None
            return self.judge("runs", method, np.inf, message=prefix + _said(error))
        several = len(shapes) > 1 and isinstance(first, tuple | list)
        values = list(first) if several else [first]
        written = [name for name, x in inputs.items() if not np.array_equal(x, points[name][0])]
        shared = [name for name, x in inputs.items() if name not in "vq" and  # Iv may be v
                  any(np.may_share_memory(x, y) for y in values if isinstance(y, np.ndarray))]
        faults = {
            "inputs": written and f"writes into its input {written[0]}",
            "fresh": shared and f"returns memory of its input {shared[0]}; return a copy",
            "shape": self.misfit(values, shapes),
        }
        if not faults["shape"]:
            faults["dtype"] = self.mistyped(values, shapes)
        if not any(faults.values()):
            faults |= self.unsteady(method + prefix, function, values, points, others)
        return all([self.judge(name, method, np.inf if fault else 0.0, message=prefix + (fault or ""))
                    for name, fault in faults.items()]) and not self.good.add(method)

    def misfit(self, values, shapes):
        if len(values) != len(shapes):
            return f"returns {len(values)} value instead of {len(shapes)}"
        for value, shape in zip(values, shapes, strict=True):
            if shape != () and not isinstance(value, np.ndarray):
                return f"returns {type(value).__name__}, not an array of shape {shape}"
            if np.shape(value) != shape:
                return f"returns shape {np.shape(value)}, expected {shape}"
        return ""

    def mistyped(self, values, shapes):
        for value, shape in zip(values, shapes, strict=True):
            dtype = np.asarray(value).dtype
            if shape == () and (dtype.kind in "iu" or dtype.kind == "f" and dtype.itemsize >= self.dtype.itemsize):
                continue  # Python's float serves every dtype
            if dtype != self.dtype:
                return f"returns dtype {dtype}, expected {self.dtype}"
        return ""

    def unsteady(self, label, function, values, points, others):
        """Return the faults that show when a method is called again, and keep the sizes of what it returns."""
        bad = [k for k, value in enumerate(values) if not np.isfinite(value).all()]
        if bad:
            return {"finite": f"returns {np.asarray(values[bad[0]]).reshape(-1)[:3]}…: NaN or infinity"}
        kept = [np.array(value, np.float64) for value in values]
        try:
            again = self.outputs(function, [pair[0].copy() for pair in points.values()], len(values))
        except Exception as error:
            return {"runs": f"when called again, {_said(error)}"}
        try:
            third = self.outputs(function, list(others.values()), len(values))
        except Exception:  # outside the domain, perhaps
            third = again
        sizes = self.size[label] = [max(filter(np.isfinite, map(_norm, pair))) for pair in zip(kept, third, strict=True)]
        moved = max(_norm(a - b) / size if size else 0.0 for a, b, size in zip(kept, again, sizes, strict=True))
        overwritten = any(not np.array_equal(a, b) for a, b in zip(kept, values, strict=True))
        differs = not moved <= 100 * self.eps * np.sqrt(kept[0].size + 1)
        return {
            "finite": "",
            "fresh": "returns an array that its next call overwrites; return a copy" if overwritten else "",
            "deterministic": f"returns other values at the second call: relative difference {moved:.2g}" if differs else "",
        }

    def outputs(self, function, inputs, count):
        values = function(*inputs)
        return [np.array(value, np.float64) for value in (values if count > 1 else [values])]

    def product(self, method, adjoint=False):
        """Return the function (u, w, v) → Hv or Mv, or the adjoint's product."""
        from scipy.sparse.linalg import LinearOperator

        shape = (self.w.size, self.w.size if method == "hessian" else self.u.size)

        def function(u, w, v):
            operator = getattr(self.problem, method)(u, w)
            if not isinstance(operator, LinearOperator):
                raise _Broken(f"returns {type(operator).__name__}; expected a scipy.sparse.linalg.LinearOperator")
            if operator.shape != shape:
                raise _Broken(f"returns an operator of shape {operator.shape}, expected {shape}")
            return (operator.H if adjoint else operator).matvec(v)

        return function

    def value(self, method, u, w):
        """Return what a method gives at copies of (u, w), in float64 and ravelled."""
        return np.array(getattr(self.problem, method)(u.copy(), w.copy()), np.float64).reshape(-1)

    def basis(self, size, dtype=None):
        return np.eye(size, dtype=self.dtype) if size <= DENSE else self.random(size, SAMPLES)

    def columns(self, method, V, u, w, adjoint=False):
        operator = getattr(self.problem, method)(u.copy(), w.copy())
        apply = operator.H.matvec if adjoint else operator.matvec
        return np.stack([np.asarray(apply(v.copy()), np.float64) for v in V.T], axis=1)

    def adjoint_only(self, method):
        """Write an operator out by its adjoint, where that alone is given."""
        X = self.matrix[method] = self.columns(method, self.basis(self.w.size), self.u, self.w, adjoint=True).T
        self.size[method] = _norm(X)

    def operator(self, method, columns):
        """Judge an operator as a matrix: linear, adjoint, symmetric, fixed."""
        n, u, w = self.w.size, self.u, self.w
        V, Q = self.basis(columns), self.basis(n)
        X = self.columns(method, V, u, w)
        size = self.size[method] = _norm(X) / (1 if columns <= DENSE else np.sqrt(SAMPLES))
        slack = 20 * self.eps * np.sqrt(max(n, columns)) * max(_norm(v) for v in V.T)
        c = self.random(V.shape[1])
        gap = _norm(self.columns(method, (V @ c)[:, None], u, w)[:, 0] - X @ c)
        self.judge("linear", method, gap, slack * size * (1 + _norm(c)), "its product with a sum is not the sum of the products", size)
        together = getattr(self.problem, method)(u.copy(), w.copy()).matmat(V.copy())
        self.judge("columns", method, _norm(together - X), slack * size * V.shape[1],
                   "its product with several columns at once differs from those with each", size)
        longest = max(_norm(q) for q in Q.T)
        try:
            Y = self.columns(method, Q, u, w, adjoint=True)
            self.pair("adjoint", method, Q.T @ X, (V.T @ Y).T, slack * longest * size, "qᵀ(Av)", "(Aᴴq)ᵀv")
        except NotImplementedError:
            if method == "cross" or not self.symmetric:
                raise
            self.skipped.append("hessian.H, which is not implemented (nor needed, H being symmetric)")
        if method == "hessian":
            if self.symmetric:
                self.pair("symmetric", method, V.T @ X, (V.T @ X).T, slack * longest * size, "qᵀ(Hv)", "vᵀ(Hq)")
            self.constancy(V, X, slack * size * V.shape[1])
            self.matrix |= {method: X} if n <= DENSE else {}

    def pair(self, name, method, one, two, tolerance, left, right):
        """Judge two tables of bilinear products that should agree."""
        i, j = np.unravel_index(np.argmax(np.abs(one - two)), one.shape)
        where = f"q = e[{i}], v = e[{j}]" if max(self.w.size, self.u.size) <= DENSE else f"random q and v number {i} and {j}"
        message = f"{left} = {one[i, j]:.6g} but {right} = {two[i, j]:.6g} for {where}"
        self.judge(name, method, float(np.abs(one - two)[i, j]), tolerance, message, self.size[method])

    def constancy(self, V, X, tolerance):
        """Judge a claim that H is fixed; find whether it is free of w, f being quadratic in w."""
        def moved(u, w):
            try:
                return _norm(self.columns("hessian", V, u, w) - X)
            except Exception:  # outside the domain, perhaps
                return np.inf

        self.quadratic = moved(self.u, self.near_w) <= tolerance
        if getattr(self.problem, "fixed_hessian", False):
            self.judge("fixed", "hessian", moved(self.near_u, self.near_w), tolerance,
                       "fixed_hessian is True, but H differs at another (u, w)", self.size["hessian"])

    def derivatives(self):
        """Judge every derivative by differences of what it is the derivative of."""
        def against(name, method, source, axis, part=None):
            if self.needs(f"{method}: {name}", method, source):
                given = getattr(self.problem, method)(self.u.copy(), self.w.copy())
                given = given if part is None else given[part]
                if method == "cross" and method in self.matrix:
                    apply = self.matrix[method].__matmul__
                else:
                    apply = given.matvec if method in ("hessian", "cross") else given.reshape(-1).astype(np.float64).__matmul__
                self.compare(name, method, source, axis, lambda d: apply(d.reshape(-1)))

        for arguments in (("derivative", "inner_gradient", "inner_value", "w"),
                          ("derivative in u", "outer_gradients", "outer_value", "u", 0),
                          ("derivative in w", "outer_gradients", "outer_value", "w", 1),
                          ("derivative", "hessian", "inner_gradient", "w"), ("derivative", "cross", "inner_gradient", "u")):
            self.attempt(arguments[1], against, *arguments)

    def compare(self, name, method, source, axis, slope):
        """Judge slope(v) against differences of source along axis, in every direction tried; report the worst."""
        x, magnitude = getattr(self, axis), self.size[source][0]

        def phi(point):
            return getattr(self.problem, source)(*((point, self.w.copy()) if axis == "u" else (self.u.copy(), point)))

        coordinates = x.size <= COORDINATES
        directions = np.eye(x.size, dtype=self.dtype) if coordinates else self.random(SAMPLES, x.size)
        try:
            found = [_slope_error(phi, slope, x, v.reshape(x.shape), magnitude) for v in directions]
        except _Broken as error:
            return self.judge("runs", source, np.inf, message=str(error))
        if not found:
            return None
        ratios = [_norm(R) / tolerance if tolerance else np.inf * bool(_norm(R)) for R, tolerance, _ in found]
        worst = int(np.nanargmax([0.0 if np.isnan(r) else r for r in ratios]))
        R, tolerance, P = found[worst]
        size = max(max(_norm(p), _norm(p + r)) for r, _, p in found)
        i = int(np.argmax(np.abs(R)))
        given, true = (np.concatenate(parts) for parts in ([p for *_, p in found], [p + r for r, _, p in found]))
        factor = float(given @ true / (given @ given)) if given.any() else 0.0
        fits = _norm(true - factor * given) <= 1e-3 * _norm(true) and abs(factor) > 1e-9
        message = (f"along {f'{axis}[{worst}]' if coordinates else f'a random direction of {axis}'}"
                   f"{f', component {i}' if R.size > 1 else ''}: {method} gives {P[i]:.6g}, differences of {source} give "
                   f"{P[i] + R[i]:.6g}{f'; {factor:.4g} times it would fit' if fits else ''}")
        vague = tolerance > max(0.1 * size, 1e-3 * magnitude / (np.abs(x).max() or 1.0))
        return self.judge(name, method, _norm(R), tolerance, message, size,
                          "undecided: differences are too inaccurate here" if vague else "")

    def curvature(self):
        """Judge that H is positive semidefinite, and that f has a lower bound where it is quadratic in w."""
        from scipy.sparse.linalg import ArpackNoConvergence, eigsh, lsmr

        n, operator = self.w.size, self.problem.hessian(self.u.copy(), self.w.copy())
        if "hessian" in self.matrix:
            values, vectors = np.linalg.eigh((self.matrix["hessian"] + self.matrix["hessian"].T) / 2)
        else:
            try:
                values, vectors = eigsh(operator, k=2, which="BE", v0=self.random(n), tol=1e-3, maxiter=20)
            except ArpackNoConvergence as error:
                values, vectors = error.eigenvalues, error.eigenvectors
        largest = float(np.abs(values).max(initial=self.size["hessian"] / np.sqrt(n)))
        flat = 10 * n * self.eps * largest
        lowest = float(values.min(initial=0.0))
        direction = _compact(vectors[:, np.argmin(values)]) if values.size else ""
        sound = self.judge("semidefinite", "hessian", max(-lowest, 0.0), flat,
                           f"vᵀHv = {lowest:.6g} < 0 for the unit vector v = {direction}", largest)
        if not sound or not self.needs("inner_gradient: bounded", "inner_gradient"):
            return
        g = self.value("inner_gradient", self.u, self.w)
        if "hessian" in self.matrix:
            null = vectors[:, values <= flat]
            self.null = null, largest / values[values > flat].min(initial=largest)
            part = null @ (null.T @ g)
        else:
            part = g - operator.matvec(lsmr(operator, g, atol=self.eps, btol=self.eps, maxiter=min(4 * n, 1000))[0])
            part *= float(part @ operator.matvec(part.astype(self.dtype))) <= flat * float(part @ part)
        self.bounded(part, largest)

    def bounded(self, part, largest):
        """Judge the part of ∇f in the null space of H.

        An eigenvalue δ too small to see allows, by f ≥ min f, a slope of √(2δ(f − min f)): the tolerance.
        """
        value = abs(self.value("inner_value", self.u, self.w)[0]) if "inner_value" in self.good else 0.0
        terms = self.terms(self.w, largest) + np.sqrt(2 * value * largest)
        if self.quadratic:
            self.judge("bounded", "inner_gradient", _norm(part), 10 * np.sqrt(10 * self.w.size * self.eps) * terms,
                       f"f is unbounded below: ∇f has a part of length {_norm(part):.6g} along {_compact(part)}, "
                       "where H has no curvature", terms)
        elif _norm(part) > np.sqrt(self.eps) * terms:
            self.judge("bounded", "inner_gradient", note=f"f is not quadratic in w; for information, ∇f has a part of length "
                       f"{_norm(part):.3g} in the null space of H")

    def terms(self, w, curvature):
        """Return the size of the terms that ∇f is the sum of."""
        cross = self.size["cross"] if "cross" in self.good else 0.0
        return curvature * _norm(w) + cross * _norm(self.u) + self.size["inner_gradient"][0]

    def solution(self):
        """Judge that the inner solution is stationary and, where f is quadratic, differs from w only in the range of H."""
        x = self.value("inner_solution", self.u, self.w)
        g = self.value("inner_gradient", self.u, x.reshape(self.w.shape).astype(self.dtype))
        terms = self.terms(x, self.size["hessian"])
        self.judge("stationary", "inner_solution", _norm(g), np.sqrt(self.eps) * terms,
                   f"∇f there has length {_norm(g):.6g}, along {_compact(g)}", terms)
        if self.quadratic and self.symmetric and "hessian" in self.matrix and self.null[0].size:
            self.nearest(x)

    def nearest(self, x):
        """Judge that x − w₀ has no part in the null space of H.

        Products with H cannot tell a flat direction, in which x is unique, from a null one. It counts as null where x follows
        w₀ in it, and where x has no part in it at all, as a solution of least norm that ignores w₀.
        """
        null, condition = self.null
        relative = np.sqrt(self.eps) + 10 * x.size * self.eps * condition
        size = _norm(x) + _norm(self.w) or 1.0
        c = self.rng.standard_normal(null.shape[1]) * size
        start = (self.w + (null @ c).reshape(self.w.shape)).astype(self.dtype)
        part, answer = null.T @ (x - self.w.reshape(-1)), null.T @ (self.value("inner_solution", self.u, start) - x)
        slack = relative * (size + _norm(c))
        follows, ignores = _norm(answer - c) <= slack, _norm(answer) <= slack and _norm(null.T @ x) <= relative * _norm(x)
        fixed = getattr(self.problem, "fixed_hessian", False)  # else the tiniest regulariser may count
        if relative > 0.01:
            self.skipped.append("inner_solution: nearest, H being too ill-conditioned")
        elif follows or ignores and fixed:
            self.judge("nearest", "inner_solution", _norm(part), relative * size, f"it differs from w0 by {_norm(part):.6g} "
                       f"in the null space of H, along {_compact(null @ part)}", size)
        elif abs(answer @ (c - answer)) > slack * _norm(c):
            self.judge("nearest", "inner_solution", _norm(answer - c), slack, "w0 moved in the null space of H, and it did not "
                       f"follow by a projection: by {_norm(answer):.6g} for {_norm(c):.6g}", size)
        else:
            self.skipped.append("inner_solution: nearest, H having directions too flat to be called null or not")
