"""What the fixed points of cold start and of warm start share: the loops that are affine, and what vanishes there."""
import numpy as np

from .. import _parts, _plan
from .._namespace import matvec, norm, transposed
from ..methods import CG, require
from ._batch import require_affine


def checked(problem, method, inner):
    """Return the inner solver that is meant, or raise an error that names the argument, where the loop has no closed form."""
    run = _plan.check(problem, method, inner, "auto")
    require_affine(problem, "the loop")
    require(not isinstance(method, CG), "method: CG is not affine in the outer gradient; its limit has no closed form")
    require(getattr(run, "steps", 0) is not None, "inner: GradientDescent until a tolerance is not affine; give it steps")
    return run


def residual(problem, method, inner, u, w, start):
    """Return how far (u, w) is from w = Ξ(u, start) with hypergradient zero at w, of each problem; start is w itself where None.

        max(‖w − Ξ(u, start)‖ / (‖w‖ + ‖start‖ + ‖R_in‖‖Mu + d‖),  ‖MᵀRg‖ / (‖RM‖(‖P‖‖w‖ + ‖f‖))),   g = Pw + f,

    the norms of what is subtracted, ‖w‖ being 1 at least: it lies between 0 and 1, and rounding leaves a small multiple of ε·κ.
    """
    run = checked(problem, method, inner)
    u, w = problem._u(u), problem._w(w)
    start = w if start is None else problem._w(start, "w0")
    shape = problem._shape(u=u, w=w, w0=start)
    plan = _plan.make(problem, method, run, "spectral")
    spectrum, response = plan.spectrum, plan.responses[0]
    inner_response = _parts.inner_response(spectrum, run, spectrum.largest)
    force = np.abs(matvec(spectrum.cross, u)) + np.abs(spectrum.offset)
    moved = w - spectrum.inner_run(inner_response, u, start)
    pair = _ratio(norm(moved), np.maximum(1.0, norm(w)) + norm(start) + norm(inner_response * force))
    g = problem.outer_gradients(u.reshape(*u.shape[:-1], *problem.outer_shape), w.reshape(*w.shape[:-1], *problem.inner_shape))[1]
    adjoint = response[..., None] * spectrum.cross
    gradient = matvec(transposed(adjoint), matvec(transposed(spectrum.vectors), g.reshape(*g.shape[: len(shape)], -1)))
    gradient = _ratio(norm(gradient), frobenius(adjoint) * outer_size(problem, w))
    worst = np.maximum(pair, gradient)
    return np.array(np.broadcast_to(worst, shape), np.float64) if shape else float(worst)


def outer_size(problem, w):
    """Return ‖P‖ max(1, ‖w‖) + ‖f‖, of the terms whose sum is ∂F/∂w."""
    L = problem._outer_root()
    f = problem.outer_gradients(np.zeros(problem.outer_shape), np.zeros(problem.inner_shape))[1]
    return frobenius(L) ** 2 * np.maximum(1.0, norm(w)) + norm(f)


def frobenius(A):
    """Return the Frobenius norm of each matrix."""
    return norm(A.reshape(*A.shape[:-2], A.shape[-2] * A.shape[-1]))


def _ratio(value, size):
    """Return value/size, 0 where nothing is there to vanish."""
    return np.where(np.asarray(size) > 0, value / np.where(np.asarray(size) > 0, size, 1.0), 0.0)
