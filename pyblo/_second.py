"""Products with the Hessian of the reduced objective F*(u) = F(u, w*(u)), for SciPy's Newton methods."""
import numpy as np

from .methods import Exact, require

__all__ = ["outer_hessian"]


def outer_hessian(plan, u):
    """Return ∇²F*(u) as a LinearOperator of shape (m, m).

    With a fixed Hessian it is JᵀPJ, J = −A⁺B. For Ridge, with H w = Xᵀy/n, H q = ∂F/∂w and dF*/du = −λ′∘w∘q, the implicit function
    theorem gives along v, δλ = λ′∘v:

        δw = −H⁻¹(δλ∘w),   δq = H⁻¹(Pδw − δλ∘q),   δ(dF*/du) = −(λ″∘v∘w∘q + λ′∘δw∘q + λ′∘w∘δq).
    """
    from scipy.sparse.linalg import LinearOperator

    problem = plan.problem
    require(isinstance(plan.method, Exact), "method: the outer Hessian is that of F*; prepare the problem with Exact()")
    require(hasattr(problem, "_outer_product"),
            f"problem: {type(problem).__name__} has no second derivatives; "
            "the outer Hessian is there for Quadratic, TargetLearning and Ridge")
    apply = _fixed(plan) if problem.fixed_hessian else _ridge(problem, u)
    m = problem.outer_size
    return LinearOperator((m, m), matvec=apply, rmatvec=apply, dtype=problem.dtype)


def _fixed(plan):
    s, problem = plan.spectrum, plan.problem
    response = s.response(Exact(), None).astype(problem.dtype)

    def apply(v):
        w = -(s.vectors @ (response * (s.cross @ np.ravel(v))))
        return -(s.cross.T @ (response * (s.vectors.T @ problem._outer_product(w))))

    return apply


def _ridge(problem, u):
    slopes = problem.penalties(u)[1]
    curvatures = slopes if problem.log else np.zeros_like(slopes)
    try:
        factor = problem._factory().at(u)
    except (np.linalg.LinAlgError, FloatingPointError) as error:
        raise ValueError(f"u: F* has no Hessian there: {error}") from None
    if factor.cholesky is None:
        raise ValueError("u: F* has no Hessian where H(u) is singular; raise the penalties")
    w = factor.inner_solution(np.zeros(problem.inner_size, problem.dtype))
    q = factor.solve(problem.outer_gradients(u, w)[1])
    one = problem.penalty == "scalar"

    def apply(v):
        v = np.broadcast_to(np.ravel(v), w.shape)
        change = slopes * v
        dw = -factor.solve(change * w)
        dq = factor.solve(problem._outer_product(dw) - change * q)
        along = -(curvatures * v * w * q + slopes * (dw * q + w * dq))
        return np.array([along.sum()]) if one else along

    return apply
