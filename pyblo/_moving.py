"""Plans where the Hessian depends on u or w: closed forms are Python functions that the core calls back."""
from functools import partial

import numpy as np

from . import _dispatch, spectral
from ._callbacks import guarded
from ._closed import ClosedForms, DenseFactory, dense
from ._namespace import where
from ._parts import SMALL, Plan, descent, descent_step, hessian, iterated, method_step
from .inner import ClosedForm, GradientDescent, Proximal
from .methods import CG, Damped, Exact, Identity, Unrolled, require


def moving(problem, method, inner, route, u):
    """Return the Plan, with steps of None fixed at u."""
    _check(problem, method, inner, route)
    guard, gram = None if problem._takes_batches and problem.batch_shape else guarded(problem), problem._moving_gram
    closed_method = isinstance(method, Exact | Damped) and route != "iterate" or route == "spectral"
    descends = isinstance(inner, GradientDescent)
    closed_inner = not descends or (gram and inner.steps is not None and route == "spectral")
    largest = _largest(problem, guard, u) if descends or not isinstance(method, Exact | Damped | Identity | CG) else None
    step, inner_step = method_step(method, largest), descent_step(inner, largest) if descends else None
    closed = Closed(problem, guard, closed_method or (closed_inner and gram))
    kind = _dispatch.step_class(problem.dtype)

    def parts(rows):
        owners = problem._owners(rows.shape)
        core = _dispatch.core_problem(problem, rows, guard)
        if closed_inner:
            alpha = None if inner_step is None else np.broadcast_to(inner_step, rows.shape).reshape(-1)
            inner_part = kind.python_inner(core, partial(closed.inner, inner, alpha, owners))
        else:
            inner_part = descent(core, inner, rows.steps(inner_step))
        if closed_method:
            alpha = None if step is None else np.broadcast_to(step, rows.shape).reshape(-1)
            adjoint_part = kind.python_hypergradient(core, partial(closed.hypergradient, method, alpha, owners))
        else:
            adjoint_part = iterated(core, problem, method, step, rows, guard=guard, gram=closed.gram)
        return kind(core, inner_part, adjoint_part), core

    return Plan(problem, method, parts, None, step, inner_step, guard)


class Closed:
    """The closed forms of each problem of a batch. What was formed once stays; of factors only those of the last problem do."""

    def __init__(self, problem, guard, factored):
        if factored and problem._moving_gram and problem.batch_shape:
            problem._require_finite()  # names the problem; a single one is checked where its Gram matrix is formed
        self.problem, self.guard, self.factored = problem, guard, factored
        self.forms, self.last = {}, None
        if not problem.batch_shape:
            self.of(0)

    def of(self, j):
        """Return the ClosedForms of problem number j."""
        forms = self.forms.get(j)
        if forms is None:
            problem = self.problem._at(j)
            guard = self.guard or guarded(problem)
            factory = (problem._factory() if problem._moving_gram else DenseFactory(guard)) if self.factored else None
            forms = self.forms[j] = ClosedForms(guard, factory)
        if self.last is not None and self.last is not forms:
            self.last.last.clear()
        self.last = forms
        return forms

    @property
    def gram(self):
        """XᵀX/n of a single ridge problem, where it was formed and a product with it costs less than one with X and one with Xᵀ."""
        problem = self.problem
        if not self.factored or problem.batch_shape or not problem._moving_gram or problem.X.shape[0] < problem.X.shape[1]:
            return None
        return self.of(0).factory.gram

    def inner(self, inner, alpha, owners, k, u, start):
        """Return (w, status) of the closed inner run of item k."""
        return self.of(int(owners[k])).inner(inner, None if alpha is None else float(alpha[k]), u, start)

    def hypergradient(self, method, alpha, owners, k, u, start, w):
        """Return (F, dF/du, ∂F/∂w, q, status, products) of item k."""
        return self.of(int(owners[k])).hypergradient(method, None if alpha is None else float(alpha[k]), u, start, w)


def _check(problem, method, inner, route):
    name, gram = type(problem).__name__, problem._moving_gram
    require(route != "spectral" or not isinstance(method, Unrolled),
            f"route: the derivatives of {name} depend on w, so unrolling it is no filter of H; use route='iterate'")
    require(gram or not isinstance(inner, ClosedForm) or problem.has_inner_solution,
            f"inner: {name} has no inner_solution; pass inner=GradientDescent(...)")
    require(gram or not isinstance(inner, Proximal), f"inner: Proximal has no closed form for {name}; pass inner=GradientDescent(...)")
    require(problem.symmetric or not isinstance(method, CG) or method.normal,
            f"method: H of {name} is not symmetric; use CG(normal=True)")
    require(problem.symmetric or route != "spectral", f"route: H of {name} is not symmetric; it has no spectral route")
    require(problem.symmetric or not (isinstance(method, Damped) and route == "iterate"),
            f"route: H of {name} is not symmetric; Damped has no iteration for it, use route='auto'")


def _largest(problem, guard, u):
    """Return λmax(H) at u and w = 0, of each problem of a batch, or None where H is not symmetric."""
    if not problem.symmetric:
        return None
    u, n = np.array(u, problem.dtype), problem.inner_size
    shape = problem._shape(u=u)
    if n > SMALL:
        w, us = np.zeros(n, problem.dtype), np.broadcast_to(u, (*shape, u.shape[-1])).reshape(-1, u.shape[-1])
        operators = (hessian(problem._at(owner), guard, one, w) for owner, one in zip(problem._owners(shape), us, strict=True))
        bounds = np.array([spectral.largest_eigenvalue(H) for H in operators])
        return bounds.reshape(shape) if shape else float(bounds[0])
    if shape:
        H = dense(problem.hessian(u, np.zeros(n, problem.dtype)).matvec, n, np.float64)
    else:
        H = dense((guard or guarded(problem)).hessian(u, np.zeros(n, problem.dtype))[0], n, np.float64)
    finite = np.isfinite(H)
    if not finite.all():
        blame = problem._blame() or (guard and guard.first_bad) or " u is too large"
        raise ValueError(f"λmax of H at the first u is not finite:{blame}{where(~finite, 2)}")
    largest = np.linalg.eigvalsh(H).max(axis=-1, initial=0.0)
    return largest if shape else float(largest)
