"""Whether the methods of a problem agree with each other, up to what rounding explains."""

import numpy as np

from .bench import COORDINATES, DENSE, SAMPLES, Bench
from .faults import Broken
from .slopes import compact, norm, slope_error

__all__ = ["Examiner"]


class Examiner(Bench):
    """The examination: contracts first, then derivatives, curvature and the inner solution."""

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
            found = [slope_error(phi, slope, x, v.reshape(x.shape), magnitude) for v in directions]
        except Broken as error:
            return self.judge("runs", source, np.inf, message=str(error))
        if not found:
            return None
        ratios = [norm(R) / tolerance if tolerance else np.inf * bool(norm(R)) for R, tolerance, _ in found]
        worst = int(np.nanargmax([0.0 if np.isnan(r) else r for r in ratios]))
        R, tolerance, P = found[worst]
        size = max(max(norm(p), norm(p + r)) for r, _, p in found)
        i = int(np.argmax(np.abs(R)))
        given, true = (np.concatenate(parts) for parts in ([p for *_, p in found], [p + r for r, _, p in found]))
        factor = float(given @ true / (given @ given)) if given.any() else 0.0
        fits = norm(true - factor * given) <= 1e-3 * norm(true) and abs(factor) > 1e-9
        message = (f"along {f'{axis}[{worst}]' if coordinates else f'a random direction of {axis}'}"
                   f"{f', component {i}' if R.size > 1 else ''}: {method} gives {P[i]:.6g}, differences of {source} give "
                   f"{P[i] + R[i]:.6g}{f'; {factor:.4g} times it would fit' if fits else ''}")
        vague = given.any() and tolerance > 0.1 * max(norm(p) for *_, p in found)
        note = "undecided: differences of so small a derivative are lost in rounding here" if vague else ""
        return self.judge(name, method, norm(R), tolerance, message, size, note)

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
        direction = compact(vectors[:, np.argmin(values)]) if values.size else ""
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
            self.judge("bounded", "inner_gradient", norm(part), 10 * np.sqrt(10 * self.w.size * self.eps) * terms,
                       f"f is unbounded below: ∇f has a part of length {norm(part):.6g} along {compact(part)}, "
                       "where H has no curvature", terms)
        elif norm(part) > np.sqrt(self.eps) * terms:
            self.judge("bounded", "inner_gradient", note=f"f is not quadratic in w; for information, ∇f has a part of length "
                       f"{norm(part):.3g} in the null space of H")

    def terms(self, w, curvature):
        """Return the size of the terms that ∇f is the sum of."""
        cross = self.size["cross"] if "cross" in self.good else 0.0
        return curvature * norm(w) + cross * norm(self.u) + self.size["inner_gradient"][0]

    def solution(self):
        """Judge that the inner solution is stationary and, where f is quadratic, differs from w only in the range of H."""
        x = self.value("inner_solution", self.u, self.w)
        g = self.value("inner_gradient", self.u, x.reshape(self.w.shape).astype(self.dtype))
        terms = self.terms(x, self.size["hessian"])
        self.judge("stationary", "inner_solution", norm(g), np.sqrt(self.eps) * terms,
                   f"∇f there has length {norm(g):.6g}, along {compact(g)}", terms)
        if self.quadratic and self.symmetric and "hessian" in self.matrix and self.null[0].size:
            self.nearest(x)

    def nearest(self, x):
        """Judge that x − w₀ has no part in the null space of H.

        Products with H cannot tell a flat direction, in which x is unique, from a null one. It counts as null where x follows
        w₀ in it, and where x has no part in it at all, as a solution of least norm that ignores w₀.
        """
        null, condition = self.null
        relative = np.sqrt(self.eps) + 10 * x.size * self.eps * condition
        size = norm(x) + norm(self.w) or 1.0
        c = self.rng.standard_normal(null.shape[1]) * size
        start = (self.w + (null @ c).reshape(self.w.shape)).astype(self.dtype)
        part, answer = null.T @ (x - self.w.reshape(-1)), null.T @ (self.value("inner_solution", self.u, start) - x)
        slack = relative * (size + norm(c))
        follows, ignores = norm(answer - c) <= slack, norm(answer) <= slack and norm(null.T @ x) <= relative * norm(x)
        fixed = getattr(self.problem, "fixed_hessian", False)  # else the tiniest regulariser may count
        if relative > 0.01:
            self.skipped.append("inner_solution: nearest, H being too ill-conditioned")
        elif follows or ignores and fixed:
            self.judge("nearest", "inner_solution", norm(part), relative * size, f"it differs from w0 by {norm(part):.6g} "
                       f"in the null space of H, along {compact(null @ part)}", size)
        elif abs(answer @ (c - answer)) > slack * norm(c):
            self.judge("nearest", "inner_solution", norm(answer - c), slack, "w0 moved in the null space of H, and it did not "
                       f"follow by a projection: by {norm(answer):.6g} for {norm(c):.6g}", size)
        else:
            self.skipped.append("inner_solution: nearest, H having directions too flat to be called null or not")
