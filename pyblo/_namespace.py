"""The border: what a caller passes becomes contiguous float32 or float64 NumPy arrays, or an error that names it."""
import os

import array_api_compat
import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def as_array(name, value):
    """Return value as a float32 or float64 ndarray in native byte order, without a copy where it is one already.

    Integers and booleans become float64. Raises TypeError, naming the argument, for anything else.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: a masked array has no single meaning here; pass {name}.filled(...) or drop the masked entries")
    if not isinstance(value, np.ndarray) and array_api_compat.is_array_api_obj(value):
        kind = type(value)
        raise TypeError(f"{name}: got {kind.__module__}.{kind.__name__}; pass a NumPy array (nothing is copied from a device silently)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name}: not an array: {error}") from None
    if array.dtype.kind in "iub":
        return contiguous(array, np.float64, name)
    if array.dtype.kind == "c":
        raise TypeError(f"{name}: complex dtype {array.dtype} is not supported; pass real arrays")
    native = array.dtype.newbyteorder("=")
    if native not in FLOATS:
        raise TypeError(f"{name}: dtype {array.dtype} is not supported; pass float32, float64 or integers")
    return array if array.dtype.isnative else contiguous(array, native, name)


def common_dtype(*arrays):
    """Return float32 where every array has it, else float64."""
    return np.result_type(*arrays)


def contiguous(array, dtype, name="an array"):
    """Return array as a C-ordered, aligned base-class ndarray of dtype, the array itself where it is one.

    Raises MemoryError, with the name and the number of bytes, where the copy has no place.
    """
    size = array.size * np.dtype(dtype).itemsize
    if array.dtype != dtype or not (array.flags.c_contiguous and array.flags.aligned):
        require_memory(name, size)
    try:
        return np.require(array, dtype, ["C", "A", "E"])
    except MemoryError:
        raise MemoryError(f"{name} would take {size} bytes, more than can be allocated") from None


def fit(name, value, shape, dtype):
    """Return value as a contiguous array of the given shape and dtype, or raise an error that names it."""
    array = as_array(name, value)
    if array.shape != tuple(shape):
        raise ValueError(f"{name}: shape {array.shape} does not fit; expected {tuple(shape)}")
    return contiguous(array, dtype, name)


def fit_finite(name, value, shape, dtype):
    """As fit, and refuse NaN and infinity (for vectors: a matrix is not scanned beforehand)."""
    array = fit(name, value, shape, dtype)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: contains NaN or infinity (or overflows {np.dtype(dtype)})")
    return array


def matrix(name, value, rows=None, cols=None):
    """Return value as a contiguous matrix; None leaves an axis free. Raises an error that names the argument.

    Contiguous, because products in another layout have other bits.
    """
    array = as_array(name, value)
    expected = (rows if rows is not None else "any", cols if cols is not None else "any")
    if array.ndim != 2:
        raise ValueError(f"{name}: has {array.ndim} axes; expected a matrix of shape {expected}")
    if (rows is not None and array.shape[0] != rows) or (cols is not None and array.shape[1] != cols):
        raise ValueError(f"{name}: shape {array.shape} does not fit; expected {expected}")
    return contiguous(array, array.dtype, name)


def vector(name, value, size):
    """Return value as a contiguous finite vector of the given size, zeros where it is None."""
    return np.zeros(size) if value is None else _checked_vector(name, value, size)


def _checked_vector(name, value, size):
    array = as_array(name, value)
    if array.shape != (size,):
        raise ValueError(f"{name}: shape {array.shape} does not fit; expected {(size,)}")
    array = contiguous(array, array.dtype, name)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: contains NaN or infinity")
    return array


def require_memory(what, size):
    """Raise MemoryError, with the number of bytes, where `what` would not fit in this machine's memory."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > total:
        raise MemoryError(f"{what} would take {size} bytes, and this machine has {total}")
