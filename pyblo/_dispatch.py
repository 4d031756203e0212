"""The door to the C++ core, and to the kernels of a GPU where the arrays lie on one."""
import numpy as np

from . import _blas, _core

_core.set_blas(_blas.table)

Stop = _core.Stop
spectral_inner = _core.spectral_inner
status_codes = _core.status_codes


def _home(array):
    """Return the module that works on an array: the core, or _device, which needs CuPy."""
    if isinstance(array, np.ndarray):
        return _core
    from . import _device

    return _device


def core_problem(problem, rows, guard=None):
    """Return the core's copy of the problems of the rows of a batch; one that the user wrote calls back through its guard."""
    if not hasattr(problem, "_core_form"):
        make = _core.callback32 if problem.dtype.itemsize == 4 else _core.callback64
        return make(problem.outer_size, problem.inner_size, guard)
    name, arguments = problem._core_form(rows)
    return getattr(_core, name)(*arguments)


def step_class(dtype):
    """Return the core's Step of a dtype."""
    return _core.Step32 if dtype.itemsize == 4 else _core.Step64


def cg(A, b, x0, rtol, atol, max_steps, max_asymmetry):
    """Return (x, status, steps, residual, direction, asymmetry) of each system; A (n, n) or (count, n, n), b (count, n).

    A matrix whose |A − Aᵀ| over |A| is beyond max_asymmetry is not worked on; the largest such ratio is returned.
    """
    return _home(b).cg(A, b, x0, rtol, atol, max_steps, max_asymmetry)


def neumann(A, b, terms, step, limit, max_asymmetry):
    """Return the truncated Neumann series of each system as cg does; step (count,).

    With a limit other than 0, a system whose step·‖A‖∞ is not below it is left alone, its status RUNNING.
    """
    return _home(b).neumann(A, b, terms, step, limit, max_asymmetry)


def gradient_descent(A, b, x0, step, momentum, nesterov, steps, tol, limit, max_asymmetry):
    """Return the end of a run of each system as cg does; tol < 0 makes all steps, limit as for neumann."""
    return _home(b).gradient_descent(A, b, x0, step, momentum, nesterov, steps, tol, limit, max_asymmetry)


def function_operator(dtype, n, apply):
    """Return the core's operator of a function x -> A x."""
    make = _core.function_operator32 if dtype.itemsize == 4 else _core.function_operator64
    return make(n, apply)


def sparse_operator(values, columns, starts):
    """Return the core's operator of a symmetric matrix in compressed rows."""
    return _core.sparse_operator(values, columns, starts)


def gram_dense(Phi, v, weights, shift):
    """Return Φᵀ(weights∘(Φv)) + shift∘v; Phi (N, n) or (batch, N, n), v (batch, n), the others with or without the batch's axis."""
    return _core.gram_dense(Phi, v, weights, shift)


def gram_many(Phi, v, weights, shift):
    """Return the same for the columns of v (n, k)."""
    return _core.gram_many(Phi, v, weights, shift)


def gram_sparse(values, columns, starts, v, weights, shift):
    """Return the same for a matrix in compressed rows."""
    return _core.gram_sparse(values, columns, starts, v, weights, shift)


def cyclic_projections(a, b, half_space, w0, corrected, tol, max_cycles, history):
    """Return (w, moves, status, cycles, moved, apart) of cyclic projections from each w0 (count, n) on the rows of a (rows, n) or
    (count, rows, n), b (rows,) or (count, rows); history, (count, max_cycles + 1, n) or None, is filled."""
    return _core.cyclic_projections(a, b, half_space, w0, corrected, tol, max_cycles, history)


def num_threads():
    """Return how many threads the core may use."""
    return _core.num_threads()


def set_num_threads(n):
    """Let the core use n threads; 0 is the default again."""
    _core.set_num_threads(n)


def instruction_set():
    """Return the name of the instruction set in use."""
    return _core.isa()


def instruction_sets():
    """Return the names of those that were built and that this CPU has."""
    return _core.isas()


def select_instruction_set(name):
    """Use another one."""
    _core.select_isa(name)
