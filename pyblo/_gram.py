"""The Gram product of a dense or sparse matrix, in one pass over it: public as :func:`pyblo.linalg.gram_hvp`."""
import math

import numpy as np
import scipy.sparse

from . import _dispatch
from ._namespace import as_array, broadcast, collapsed, common_dtype, contiguous, flat, lead, require_memory

__all__ = ["gram_hvp"]


def gram_hvp(Phi, v, *, weights=None, shift=None):
    """Return Φᵀ(weights∘(Φv)) + shift∘v in one pass over Φ; ΦᵀΦ is never formed.

    It is the Hessian–vector product of ½ Σᵢ weightsᵢ(φᵢ·w − uᵢ)² + ½ Σⱼ shiftⱼ wⱼ². The bits of the result depend neither on the number of
    threads nor, but for processors without fma, on the instruction set. NaN and infinity propagate as in NumPy's products.

    Parameters
    ----------
    Phi : array_like, shape (..., N, n), or SciPy sparse array or matrix, shape (N, n)
        Another layout than C order is copied. Sparse formats other than CSR are converted; the entries of a row may be unsorted, and
        duplicates add up.
    v : array_like, shape (n,) or (n, k); (..., n) where Phi has leading axes
        One vector, or k vectors as columns. For a batch of matrices there is one vector for each, and leading axes broadcast.
    weights : float or array_like, shape (N,), optional
        Of any sign; None is 1. For a batch (..., N).
    shift : float or array_like, shape (n,), optional
        Of any sign; None is 0. For a batch (..., n).

    Returns
    -------
    y : ndarray, of the shape of v
        float32 where all arrays are, else float64. For a batch its leading axes are those that all arguments broadcast to.

    Raises
    ------
    ValueError, TypeError, MemoryError
        For shapes or dtypes that do not fit, or a copy that has no place; each names the argument.

    References
    ----------
    Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6, 1994.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> Phi = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]])
    >>> pyblo.linalg.gram_hvp(Phi, np.array([1.0, 1.0]))
    array([12.,  7.])
    >>> pyblo.linalg.gram_hvp(Phi, np.eye(2), weights=[1.0, 0.0, 1.0], shift=0.5)
    array([[10.5,  2. ],
           [ 2. ,  4.5]])
    """
    sparse = scipy.sparse.issparse(Phi)
    Phi = _compressed(Phi) if sparse else as_array("Phi", Phi)
    if Phi.ndim < 2:
        raise ValueError(f"Phi: shape {Phi.shape} is not a matrix or a batch of them")
    v = as_array("v", v)
    extra = {name: as_array(name, value) for name, value in (("weights", weights), ("shift", shift)) if value is not None}
    dtype = common_dtype(Phi.dtype, v.dtype, *(array.dtype for array in extra.values() if array.ndim))
    if Phi.ndim > 2:
        return _batch(Phi, v, extra, dtype)
    N, n = Phi.shape
    if v.ndim not in (1, 2) or v.shape[0] != n:
        raise ValueError(f"v: shape {v.shape} does not fit Phi of shape {Phi.shape}; expected ({n},) or ({n}, k)")
    extra = [_vector(name, extra.get(name), size, dtype) for name, size in (("weights", N), ("shift", n))]
    require_memory("the result", v.size * dtype.itemsize)
    if v.size == 0:
        return np.empty(v.shape, dtype)
    v = contiguous(v, dtype, "v")
    if sparse:
        return _sparse(Phi, v, extra, dtype)
    Phi = contiguous(Phi, dtype, "Phi")
    if v.ndim == 2 and v.shape[1] != 1:
        return _dispatch.gram_many(Phi, v, *extra)
    return _dispatch.gram_dense(Phi, v.reshape(1, n), *extra).reshape(v.shape)


def _vector(name, value, size, dtype):
    """Return weights or shift as a vector of that size; None stays None."""
    if value is None:
        return None
    if value.shape not in ((), (size,)):
        raise ValueError(f"{name}: shape {value.shape} does not fit; expected a number or ({size},)")
    require_memory(name, size * dtype.itemsize)
    return contiguous(np.broadcast_to(value, (size,)), dtype, name)


def _batch(Phi, v, extra, dtype):
    N, n = Phi.shape[-2:]
    if v.ndim < 1 or v.shape[-1] != n:
        raise ValueError(f"v: shape {v.shape} does not fit Phi of shape {Phi.shape}; expected (..., {n})")
    for name, size in (("weights", N), ("shift", n)):
        if name in extra and extra[name].ndim and extra[name].shape[-1] != size:
            raise ValueError(f"{name}: shape {extra[name].shape} does not fit; expected a number or (..., {size})")
    extra = {name: array if array.ndim else np.broadcast_to(array, (N if name == "weights" else n,)) for name, array in extra.items()}
    shape = broadcast(("Phi", lead(Phi, 2)), ("v", lead(v, 1)), *((name, lead(array, 1)) for name, array in extra.items()))
    count = math.prod(shape)
    require_memory("the result", count * n * dtype.itemsize)
    if count * n == 0:
        return np.empty((*shape, n), dtype)
    wide = np.broadcast_to(v, (*shape, n))
    y = _dispatch.gram_dense(
        _flat("Phi", Phi, 2, shape, dtype), contiguous(wide, dtype, "v").reshape(count, n),
        *(_flat(name, extra[name], 1, shape, dtype) if name in extra else None for name in ("weights", "shift")))
    return y.reshape(*shape, n)


def _flat(name, array, core, shape, dtype):
    """Return array as (count, …), or without count where all products share it."""
    return flat(name, contiguous(collapsed(array, core), dtype, name), core, shape)


def _compressed(Phi):
    """Return a sparse Phi in compressed rows, with values as :func:`as_array` gives them."""
    if Phi.ndim != 2:
        raise ValueError(f"Phi: shape {Phi.shape} is not a matrix")
    Phi = Phi.tocsr()
    values = as_array("Phi", Phi.data)
    return Phi if values is Phi.data else scipy.sparse.csr_array((values, Phi.indices, Phi.indptr), shape=Phi.shape)


def _sparse(Phi, v, extra, dtype):
    wide = max(Phi.shape[1], Phi.indptr[-1]) > np.iinfo(np.int32).max or Phi.indices.dtype.itemsize > 4 or Phi.indptr.dtype.itemsize > 4
    kind = np.dtype(np.int64 if wide else np.int32)
    entries = int(Phi.indptr[-1])
    columns, starts = (contiguous(a, kind, "Phi") for a in (Phi.indices[:entries], Phi.indptr))
    values = contiguous(Phi.data[:entries], dtype, "Phi")
    return _dispatch.gram_sparse(values, columns, starts, v.reshape(v.shape[0], -1), *extra).reshape(v.shape)
