"""Products with the Hessian of the reduced objective F*(u) = F(u, w*(u)), for SciPy's Newton methods."""
import numpy as np

from ._namespace import as_array, contiguous, matvec, transposed
from .methods import Exact, require
from .operators import BatchedOperator

__all__ = ["outer_hessian"]


def outer_hessian(plan, u):
    """Return ∇²F*(u) as a LinearOperator of shape (m, m), of a batch as a BatchedOperator (..., m, m).

    With a fixed Hessian it is JᵀPJ, J = −A⁺B. For Ridge, with H w = Xᵀy/n, H q = ∂F/∂w and dF*/du = −λ′∘w∘q, the implicit function
    theorem gives along v, δλ = λ′∘v:

        δw = −H⁻¹(δλ∘w),   δq = H⁻¹(Pδw − δλ∘q),   δ(dF*/du) = −(λ″∘v∘w∘q + λ′∘δw∘q + λ′∘w∘δq).
    """
    from scipy.sparse.linalg import LinearOperator

    problem = plan.problem
    require(isinstance(plan.method, Exact), "method: the outer Hessian is that of F*; prepare the problem with Exact()")
    require(hasattr(problem, "_outer_product"),
            f"problem: {type(problem).__name__} has no second derivatives; "
            "the outer Hessian is there for Quadratic, TargetLearning, BiasedRidge and Ridge")
    m, shape = problem.outer_size, problem._shape(u=u)
    if shape:
        each = _fixed(plan) if problem.fixed_hessian else _each(problem, u, shape)

        def apply(v):
            return each(_vectors(v))

        return BatchedOperator((*shape, m, m), problem.dtype, apply, apply)
    one = _fixed(plan) if problem.fixed_hessian else _ridge(problem, u)

    def apply(v):
        return one(_vectors(np.ravel(v)))

    return LinearOperator((m, m), matvec=apply, rmatvec=apply, dtype=problem.dtype)


def _vectors(v):
    """Return vectors as a contiguous array of floats."""
    v = as_array("v", v)
    return contiguous(v, v.dtype, "v")


def _fixed(plan):
    s, problem = plan.spectrum, plan.problem
    response = s.response(Exact(), None).astype(problem.dtype)

    def apply(v):
        w = -matvec(s.vectors, response * matvec(s.cross, v))
        return -matvec(transposed(s.cross), response * matvec(transposed(s.vectors), problem._outer_product(w)))

    return apply


def _each(problem, u, shape):
    """Apply to each problem of a batch its own operator: each has a factor of its own."""
    owners = problem._owners(shape)
    us = np.broadcast_to(u, (*shape, u.shape[-1])).reshape(-1, u.shape[-1])
    each = [_ridge(problem._at(owner), one, f" (problem {k} of the batch)") for k, (owner, one) in enumerate(zip(owners, us, strict=True))]

    def apply(v):
        v = np.broadcast_to(v, (*np.broadcast_shapes(v.shape[:-1], shape), v.shape[-1]))
        out = np.empty(v.shape, np.result_type(v.dtype, problem.dtype))
        rows, results = v.reshape(-1, len(each), v.shape[-1]), out.reshape(-1, len(each), v.shape[-1])
        for row, result in zip(rows, results, strict=True):
            for k, one in enumerate(each):
                result[k] = one(row[k])
        return out

    return apply


def _ridge(problem, u, which=""):
    slopes = problem.penalties(u)[1]
    curvatures = slopes if problem.log else np.zeros_like(slopes)
    try:
        factor = problem._factory().at(u)
    except (np.linalg.LinAlgError, FloatingPointError) as error:
        raise ValueError(f"u: F* has no Hessian there: {error}{which}.{problem._blame()}") from None
    if factor.cholesky is None:
        raise ValueError(f"u: F* has no Hessian where H(u) is singular{which}; raise the penalties")
    w = factor.inner_solution(np.zeros(problem.inner_size, problem.dtype))
    q = factor.solve(problem.outer_gradients(u, w)[1])
    one = problem.penalty == "scalar"

    def apply(v):
        v = np.broadcast_to(v, w.shape)
        change = slopes * v
        dw = -factor.solve(change * w)
        dq = factor.solve(problem._outer_product(dw) - change * q)
        along = -(curvatures * v * w * q + slopes * (dw * q + w * dq))
        return np.array([along.sum()]) if one else along

    return apply
