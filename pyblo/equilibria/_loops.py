"""What vanishes at the fixed points of cold start and of warm start."""
import numpy as np

from .. import _parts, _plan
from .._namespace import matvec, norm, transposed
from .._reduced import length, outer_gradient
from ..methods import Exact
from ._batch import require_no_overflow


def residual(problem, method, inner, u, w, start):
    """Return how far (u, w) is from w = Ξ(u, start) with hypergradient zero at w, of each problem; start is w itself where None.

        max(‖w − Ξ(u, start)‖ / (‖w‖ + ‖start‖ + ‖R_in‖‖Mu + d‖),  ‖MᵀRg‖ / (‖RM‖(‖P‖‖w‖ + ‖f‖))),   g = Pw + f,

    the norms of what is subtracted, ‖w‖ being 1 at least: it lies between 0 and 1, and rounding leaves a small multiple of ε·κ.
    """
    run = _plan.check_affine(problem, method, inner)
    u, w = problem._u(u), problem._w(w)
    start = w if start is None else problem._w(start, "w0")
    shape = problem._shape(u=u, w=w, w0=start)
    spectrum = problem._spectrum(method.rcond if isinstance(method, Exact) else None)
    response = spectrum.response(method, _parts.method_step(method, spectrum.largest, limited=False))
    inner_response = _parts.inner_response(spectrum, run, spectrum.largest, limited=False)
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.maximum(1.0, norm(w))
        moved = w - spectrum.inner_run(inner_response, u, start)
        force = np.abs(matvec(np.abs(spectrum.cross), np.abs(u))) + np.abs(spectrum.offset)
        pair = size + norm(start) + norm(np.abs(inner_response) * force)
        adjoint = response[..., None] * spectrum.cross
        gradient = matvec(transposed(adjoint), matvec(transposed(spectrum.vectors), outer_gradient(problem, w)))
        f = outer_gradient(problem, np.zeros(problem.inner_size, problem.dtype))
        pull = length(adjoint) * (length(problem._outer_root()) ** 2 * size + norm(f))
        worst = np.maximum(_ratio(norm(moved), pair), _ratio(norm(gradient), pull))
    worst, pair, pull = (np.broadcast_to(x, shape) for x in (worst, pair, pull))
    require_no_overflow(np.isfinite(worst) & np.isfinite(pair) & np.isfinite(pull), u=u, w=w, w0=start)
    return np.array(worst, np.float64) if shape else float(worst)


def _ratio(value, size):
    """Return value/size, 0 where nothing is there to vanish."""
    size = np.asarray(size)
    return np.where(size > 0, value / np.where(size > 0, size, 1.0), 0.0)
