"""The border: what a caller passes becomes contiguous float32 or float64 arrays, or an error that names it."""
import math
import os

import array_api_compat
import numpy as np
import scipy.linalg

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def as_array(name, value, device=False):
    """Return value as a float32 or float64 ndarray in native byte order, without a copy where it is one already.

    Integers and booleans become float64; where device is true, a CuPy array stays one. Raises TypeError, naming the argument, for
    anything else.
    """
    if type(value) is np.ndarray and value.dtype in FLOATS and value.dtype.isnative:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: a masked array has no single meaning here; pass {name}.filled(...) or drop the masked entries")
    if not isinstance(value, np.ndarray | np.generic) and array_api_compat.is_array_api_obj(value):
        if device and array_api_compat.is_cupy_array(value):
            return _real(name, _here(name, value))
        kind = type(value)
        raise TypeError(f"{name}: got {kind.__module__}.{kind.__name__}; pass a NumPy array (nothing is copied from a device silently)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name}: not an array: {error}") from None
    return _real(name, array)


def _here(name, array):
    from cupy.cuda import Device

    if array.device != Device():
        raise TypeError(f"{name}: lies on GPU {array.device.id}, and GPU {Device().id} is the current one; use `with array.device:`")
    return array


def _real(name, array):
    if array.dtype.kind in "iub":
        return contiguous(array, np.float64, name)
    if array.dtype.kind == "c":
        raise TypeError(f"{name}: complex dtype {array.dtype} is not supported; pass real arrays")
    native = array.dtype.newbyteorder("=")
    if native not in FLOATS:
        raise TypeError(f"{name}: dtype {array.dtype} is not supported; pass float32, float64 or integers")
    return array if array.dtype.isnative else contiguous(array, native, name)


def on_device(array):
    """Return whether an array is one of CuPy's."""
    return not isinstance(array, np.ndarray | np.generic) and array_api_compat.is_cupy_array(array)


def on_host(value):
    """Return a CuPy array as one of NumPy's; anything else as it is."""
    return value.get() if on_device(value) else value


def alongside(name, array, other):
    """Return array where it lies beside other, on the current GPU or the host; a number goes there. Raises TypeError that names it."""
    if on_device(array) == on_device(other):
        return array
    if array.ndim:
        there, here = ("a CuPy array", "NumPy's") if on_device(array) else ("no CuPy array", "CuPy's")
        raise TypeError(f"{name}: is {there}, and the others are {here}; pass all on one device (nothing is copied silently)")
    return array_api_compat.array_namespace(other).asarray(array) if on_device(other) else on_host(array)


def common_dtype(*arrays):
    """Return float32 where every array has it, else float64."""
    return np.result_type(*arrays)


def contiguous(array, dtype, name="an array"):
    """Return array as a C-ordered, aligned base-class ndarray of dtype, the array itself where it is one.

    Raises MemoryError, with the name and the number of bytes, where the copy has no place.
    """
    if type(array) is np.ndarray and array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array
    if on_device(array):
        return array_api_compat.array_namespace(array).ascontiguousarray(array, dtype)
    size = array.size * np.dtype(dtype).itemsize
    if array.dtype != dtype or not (array.flags.c_contiguous and array.flags.aligned):
        require_memory(name, size)
    try:
        return np.require(array, dtype, ["C", "A", "E"])
    except MemoryError:
        raise MemoryError(f"{name} would take {size} bytes, more than can be allocated") from None


def fit_finite(name, value, shape, dtype, batch=False):
    """Return value as a contiguous finite array of the given shape and dtype, with axes in front where batch is true."""
    array = as_array(name, value)
    core = len(shape)
    if array.shape[max(array.ndim - core, 0) :] != tuple(shape) or (array.ndim > core and not batch):
        alone = "" if batch or array.ndim <= core else "; functions of the user take one u and w at a time, so there is no batch"
        raise ValueError(f"{name}: shape {array.shape} does not fit; expected {tuple(shape)}{alone}")
    array = contiguous(array, dtype, name)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: contains NaN or infinity (or overflows {np.dtype(dtype)}){where(~np.isfinite(array), core)}")
    return array


def answer(name, value, *shapes, kinds="fiub"):
    """Return what a user's function returned as an array of one of the shapes, or raise an error that names the function."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: returned a masked array, which has no single meaning here; return its .filled(...)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name}: returned no array: {error}") from None
    if array.dtype.kind not in kinds:
        raise TypeError(f"{name}: returned dtype {array.dtype}; expected real floats")
    for shape in shapes:
        column = array.ndim == len(shape) + 1 and 1 in array.shape  # a LinearOperator may keep one
        if array.shape == shape or column and array.size == math.prod(shape):
            return array.reshape(shape)
    raise ValueError(f"{name}: returned shape {array.shape}; expected {' or '.join(map(str, shapes))}")


def matrix(name, value, rows=None, cols=None, like=""):
    """Return value as a contiguous matrix, or a stack of them; None leaves an axis free. Raises an error that names the argument,
    and the one that it should be like.

    Contiguous, because products in another layout have other bits; a stack that repeats one matrix by a stride of zero is not copied.
    """
    array = as_array(name, value)
    expected = (rows if rows is not None else "any", cols if cols is not None else "any")
    if array.ndim < 2:
        raise ValueError(f"{name}: has {array.ndim} axes; expected a matrix of shape {expected}, or a stack of them")
    if (rows is not None and array.shape[-2] != rows) or (cols is not None and array.shape[-1] != cols):
        raise ValueError(f"{name}: shape {array.shape} does not fit{like and ' ' + like}; expected {expected}")
    return stacked(name, array, 2)


def vector(name, value, size):
    """Return value as a contiguous finite vector of the given size, or a stack of them; zeros where it is None."""
    return np.zeros(size) if value is None else _checked_vector(name, value, size)


def _checked_vector(name, value, size):
    array = as_array(name, value)
    if array.shape[-1:] != (size,):
        raise ValueError(f"{name}: shape {array.shape} does not fit; expected {(size,)}")
    array = stacked(name, array, 1)
    if not np.isfinite(collapsed(array, 1)).all():
        raise ValueError(f"{name}: contains NaN or infinity{where(~np.isfinite(array), 1)}")
    return array


# --- axes in front are the batch ------------------------------------------------------------------------------------------


def lead(array, core):
    """Return the batch axes of an array whose last `core` axes are those of one problem."""
    return array.shape[: array.ndim - core]


def collapsed(array, core):
    """Return array with each batch axis that repeats itself by a stride of zero cut to length 1."""
    if array.ndim == core:
        return array
    cut = tuple(slice(0, 1) if stride == 0 and size > 1 else slice(None)
                for stride, size in zip(array.strides[: array.ndim - core], lead(array, core), strict=True))
    return array[cut]


def stacked(name, array, core, dtype=None):
    """Return array contiguous and of dtype, where None is its own; what repeats itself by a stride of zero goes on doing so."""
    small = contiguous(collapsed(array, core), array.dtype if dtype is None else dtype, name)
    return small if small.shape == array.shape else np.broadcast_to(small, array.shape)


def broadcast(*named):
    """Return the shape to which batch axes, given as pairs (name, shape), broadcast, or raise ValueError that names it.

    Examples
    --------
    >>> from pyblo._namespace import broadcast
    >>> broadcast(("A", (3, 1)), ("B", ()), ("u", (4,)))
    (3, 4)
    """
    shape, before = (), []
    for name, axes in named:
        try:
            shape = np.broadcast_shapes(shape, axes)
        except ValueError:
            raise ValueError(f"{name}: batch axes {tuple(axes)} do not broadcast against {shape}, those of {', '.join(before)}") from None
        before += [name] if axes else []
    return shape


def flat(name, array, core, shape):
    """Return array as (count, *core axes), for the core: batch axes broadcast to shape; without count where all problems share it."""
    if array.ndim == core:
        return contiguous(array, array.dtype, name)
    array = collapsed(array, core)
    inner = array.shape[array.ndim - core :]
    if math.prod(lead(array, core)) == 1:
        return contiguous(array.reshape(inner), array.dtype, name)
    return contiguous(np.broadcast_to(array, shape + inner), array.dtype, name).reshape(math.prod(shape), *inner)


def where(bad, core=0):
    """Return which problem of a batch is the first with a bad entry, as text to append; empty for a single problem, and where none is.

    Examples
    --------
    >>> import numpy as np
    >>> from pyblo._namespace import where
    >>> where(np.array([[False, True], [True, True]]))
    ' (problem (0, 1) of the batch)'
    """
    bad = np.asarray(bad)
    bad = bad.any(axis=tuple(range(bad.ndim - core, bad.ndim)))
    return f" (problem {first_index(bad)} of the batch)" if bad.ndim and bad.any() else ""


def first_index(bad):
    """Return the index of the first True of an array: an int, or a tuple of them where there is more than one axis."""
    return plain_index(np.unravel_index(int(np.argmax(bad)), bad.shape))


def plain_index(index):
    """Return the index of a problem of a batch as users write it: an int, or a tuple of them where there is more than one axis."""
    index = tuple(int(k) for k in index)
    return index[0] if len(index) == 1 else index


def matvec(A, x):
    """Return A x for (..., i, j) and (..., j): of each problem the product, and so the bits, that it has alone."""
    return A @ x if A.ndim == 2 and x.ndim == 1 else (A @ x[..., None])[..., 0]


def transposed(A):
    """Return the matrices of a stack transposed."""
    return A.T if A.ndim == 2 else np.swapaxes(A, -1, -2)


def dot(x, y):
    """Return xᵀy of each problem."""
    return x @ y if x.ndim == y.ndim == 1 else np.vecdot(x, y)


def norm(x):
    """Return ‖x‖ along the last axis, scaled so that it neither overflows nor underflows: a float for one vector."""
    if x.ndim == 1:
        return float(scipy.linalg.norm(x, check_finite=False))
    size = np.abs(x).max(axis=-1, initial=0.0)
    unit = np.where((size > 0) & np.isfinite(size), size, 1.0)
    return unit * np.sqrt(np.square(x / unit[..., None]).sum(axis=-1))


def spectral_norm(A):
    """Return the largest singular value of each matrix, 0 of an empty one: a float for one matrix."""
    largest = np.zeros(A.shape[:-2]) if 0 in A.shape[-2:] else np.linalg.svd(A, compute_uv=False).max(axis=-1)
    return float(largest) if A.ndim == 2 else largest


def finite(x):
    """Return whether each vector of (..., n) is finite: a bool for a single one."""
    found = np.isfinite(x)
    return bool(found.all()) if x.ndim == 1 else found.all(-1)


def every(x):
    """Return whether a number, or all of an array of them, is true."""
    return bool(x.all() if isinstance(x, np.ndarray) else x)


def some(x):
    """Return whether a number, or any of an array of them, is true."""
    return bool(x.any() if isinstance(x, np.ndarray) else x)


def require_memory(what, size):
    """Raise MemoryError, with the number of bytes, where `what` would not fit in this machine's memory."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > total:
        raise MemoryError(f"{what} would take {size} bytes, and this machine has {total}")
