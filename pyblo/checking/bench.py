"""What every method must keep to: shapes, dtypes, fresh and reproducible values; and operators, which must be linear and adjoint."""
import numpy as np

from .faults import Broken, absent, said
from .report import Check
from .slopes import norm

__all__ = ["COORDINATES", "DENSE", "SAMPLES", "Bench"]

DENSE = 400  # up to this size operators are written out as matrices
COORDINATES = 32  # up to this size every coordinate is a direction of its own
SAMPLES = 8  # random directions beyond those sizes


class Bench:
    """One examination: the checks so far, and which methods may be relied upon in the next ones."""

    def __init__(self, problem, u, w, dtype, rng):
        self.problem, self.u, self.w, self.dtype, self.rng = problem, u, w, dtype, rng
        self.eps = float(np.finfo(dtype).eps)
        self.symmetric = bool(getattr(problem, "symmetric", True))
        self.near_u, self.near_w = self.nearby(u), self.nearby(w)
        self.checks, self.skipped, self.good, self.size = [], [], set(), {}
        self.quadratic, self.matrix = False, {}  # whether H is free of w; operators written out

    def nearby(self, x):
        """Return another generic point, an eighth of the size of x away."""
        size = norm(x) / np.sqrt(max(x.size, 1)) or 1.0
        return (x + size / 8 * self.rng.standard_normal(x.shape)).astype(self.dtype)

    def random(self, *shape):
        return self.rng.standard_normal(shape).astype(self.dtype)

    def judge(self, name, method, error=0.0, tolerance=0.0, message="", size=1.0, note=""):
        """Record one check, in units of size; return whether it passed."""
        unit = size if 0 < size < np.inf else 1.0
        success = bool(error <= tolerance)
        text = note if success else message
        self.checks.append(Check(name, method, success, float(error / unit), float(tolerance / unit), text))
        if not success:
            self.good.discard(method)
        return success

    def attempt(self, method, stage, *arguments):
        """Run a stage; an exception in it is the method's fault."""
        try:
            stage(*arguments)
        except Exception as error:
            self.judge("runs", method, np.inf, message=said(error))

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
            if absent(error) and not prefix and method in ("inner_value", "inner_solution", "cross"):
                self.skipped.append(f"{'products with cross' if method == 'cross' else method}, not being given")
                return None
            return self.judge("runs", method, np.inf, message=prefix + said(error))
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
            return {"runs": f"when called again, {said(error)}"}
        try:
            third = self.outputs(function, list(others.values()), len(values))
        except Exception:  # outside the domain, perhaps
            third = again
        sizes = self.size[label] = [max(filter(np.isfinite, map(norm, pair))) for pair in zip(kept, third, strict=True)]
        moved = max(norm(a - b) / size if size else 0.0 for a, b, size in zip(kept, again, sizes, strict=True))
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
                raise Broken(f"returns {type(operator).__name__}; expected a scipy.sparse.linalg.LinearOperator")
            if operator.shape != shape:
                raise Broken(f"returns an operator of shape {operator.shape}, expected {shape}")
            return (operator.rmatvec if adjoint else operator.matvec)(v)

        return function

    def value(self, method, u, w):
        """Return what a method gives at copies of (u, w), in float64 and ravelled."""
        return np.array(getattr(self.problem, method)(u.copy(), w.copy()), np.float64).reshape(-1)

    def basis(self, size, dtype=None):
        return np.eye(size, dtype=self.dtype) if size <= DENSE else self.random(size, SAMPLES)

    def columns(self, method, V, u, w, adjoint=False):
        operator = getattr(self.problem, method)(u.copy(), w.copy())
        apply = operator.rmatvec if adjoint else operator.matvec  # SciPy's .H of an operator without one is no NotImplementedError
        return np.stack([np.asarray(apply(v.copy()), np.float64) for v in V.T], axis=1)

    def adjoint_only(self, method):
        """Write an operator out by its adjoint, where that alone is given."""
        X = self.matrix[method] = self.columns(method, self.basis(self.w.size), self.u, self.w, adjoint=True).T
        self.size[method] = norm(X)

    def operator(self, method, columns):
        """Judge an operator as a matrix: linear, adjoint, symmetric, fixed."""
        n, u, w = self.w.size, self.u, self.w
        V, Q = self.basis(columns), self.basis(n)
        X = self.columns(method, V, u, w)
        size = self.size[method] = norm(X) / (1 if columns <= DENSE else np.sqrt(SAMPLES))
        slack = 20 * self.eps * np.sqrt(max(n, columns)) * max(norm(v) for v in V.T)
        c = self.random(V.shape[1])
        gap = norm(self.columns(method, (V @ c)[:, None], u, w)[:, 0] - X @ c)
        self.judge("linear", method, gap, slack * size * (1 + norm(c)),
                   "its product with a sum is not the sum of the products", size)
        together = getattr(self.problem, method)(u.copy(), w.copy()).matmat(V.copy())
        self.judge("columns", method, norm(together - X), slack * size * V.shape[1],
                   "its product with several columns at once differs from those with each", size)
        longest = max(norm(q) for q in Q.T)
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
                return norm(self.columns("hessian", V, u, w) - X)
            except Exception:  # outside the domain, perhaps
                return np.inf

        self.quadratic = moved(self.u, self.near_w) <= tolerance
        if getattr(self.problem, "fixed_hessian", False):
            self.judge("fixed", "hessian", moved(self.near_u, self.near_w), tolerance,
                       "fixed_hessian is True, but H differs at another (u, w)", self.size["hessian"])
