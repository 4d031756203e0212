"""The door to the C++ core."""
from . import _blas, _core

_core.set_blas(_blas.table)

Rule = _core.Rule
Stop = _core.Stop
spectral_inner = _core.spectral_inner
status_codes = _core.status_codes


def core_problem(problem, guard=None):
    """Return the core's copy of a problem; one that the user wrote calls back through its guard."""
    if not hasattr(problem, "_core_form"):
        make = _core.callback32 if problem.dtype.itemsize == 4 else _core.callback64
        return make(problem.outer_size, problem.inner_size, guard)
    name, arguments = problem._core_form()
    return getattr(_core, name)(*arguments)


def step_class(dtype):
    """Return the core's Step of a dtype."""
    return _core.Step32 if dtype.itemsize == 4 else _core.Step64


def cg(A, b, x0, rtol, atol, max_steps):
    """Return (x, status, steps, residual, direction) of each system; A (n, n) or (count, n, n), b (count, n)."""
    return _core.cg(A, b, x0, rtol, atol, max_steps)


def neumann(A, b, terms, step):
    """Return the truncated Neumann series of each system; step (count,)."""
    return _core.neumann(A, b, terms, step)


def asymmetry(A):
    """Return the largest |A − Aᵀ| over the largest |A|."""
    return _core.asymmetry(A)
