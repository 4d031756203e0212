"""Arrays of any kind give the bits of a contiguous copy, or an error that names the argument; none is written to."""

import copy
import dataclasses
import warnings

import numpy as np
import pytest
import zoo
from scipy.sparse.linalg import LinearOperator
from test_bad_input import digests, names

import pyblo

ENTRIES = list(zoo.entries())


def leaves(result):
    """The arrays and numbers of a result, in order."""
    if isinstance(result, LinearOperator):
        return [result @ np.eye(result.shape[1]), result.H @ np.eye(result.shape[0])]
    if isinstance(result, tuple | list):
        return [leaf for part in result for leaf in leaves(part)]
    if isinstance(result, dict):
        return leaves(list(result.values()))
    return leaves(list(vars(result).values())) if dataclasses.is_dataclass(result) else [np.asarray(result)]


def outcome(call, value):
    """The result, or the error, of a call."""
    try:
        return call(value)
    except (TypeError, ValueError, ArithmeticError) as error:
        return error


def bits(found):
    """What must be equal for two outcomes to be the same."""
    if isinstance(found, Exception):
        return type(found), str(found)
    return [(leaf.dtype.str, leaf.shape, leaf.tobytes()) for leaf in leaves(found)]


def memory(value):
    """The arrays that own the memory of an argument."""
    if isinstance(value, zoo.Frame | memoryview):
        return memory(value.values if isinstance(value, zoo.Frame) else value.obj)
    if isinstance(value, tuple | list):
        return [array for part in value for array in memory(part)]
    while isinstance(value, np.ndarray) and isinstance(value.base, np.ndarray):
        value = value.base
    return [value] if isinstance(value, np.ndarray) else []


def state(arrays):
    """The bytes of arrays, and whether they may be written to."""
    return digests(arrays), [array.flags.writeable for array in arrays]


def refused(found, argument):
    """Whether an outcome is an error of the right type that names the argument."""
    return isinstance(found, TypeError | ValueError) and names(found, argument)


def left_alone(entry, value):
    """The outcome of a call, after which no input has changed and no output is one."""
    owners, kept = memory(value), copy.deepcopy(value) if isinstance(value, list) else None
    before = state(owners)
    found = outcome(entry.call, value)
    assert state(owners) == before and (kept is None or repr(kept) == repr(value)), "an input was written to"
    if not isinstance(found, Exception):
        shared = [leaf for leaf in leaves(found) for owner in owners if np.may_share_memory(leaf, owner)]
        assert not shared, "an output is an input"
    return found


def plain(value):
    """A contiguous copy, in native floats."""
    array = np.array(value, order="C", subok=False)
    return array.astype(array.dtype.newbyteorder("=") if array.dtype.kind == "f" else float)


def same(entry, value):
    """What is wrong with one more way to hold numbers: nothing where the bits are those of a contiguous copy."""
    found, expected = left_alone(entry, value), outcome(entry.call, plain(value))
    if isinstance(found, Exception):
        return f"{type(found).__name__}: {found}"
    return "" if bits(found) == bits(expected) else "other bits than a contiguous copy"


def refusal(entry, value):
    """What is wrong with the answer to a value without a meaning: it is refused by name, or it was never looked at."""
    found = left_alone(entry, value)
    if refused(found, entry.argument) or not looked_at(entry):
        return ""
    return f"{type(found).__name__}: {found}" if isinstance(found, Exception) else "accepted"


def looked_at(entry):
    """Whether the result depends on the argument: F of a quadratic problem does not on u."""
    return bits(outcome(entry.call, entry.value)) != bits(outcome(entry.call, entry.value + 1))


def verdict(entry, value):
    """What is wrong with the answer to numbers at the end of the line: an error without a name, or a silent NaN."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = left_alone(entry, value)
    if isinstance(found, Exception):
        return "" if refused(found, entry.argument) else f"{type(found).__name__}: {found}"
    if entry.name.endswith(zoo.FORMULAS):
        return ""  # a formula: what it overflows to is seen
    success, message = told(found)
    if success:
        return "" if heard or all(np.isfinite(leaf).all() for leaf in numbers(found)) else "success, and not finite"
    return "" if message else "no message"


def told(found):
    """Whether a result says that it succeeded, and its message; a plain array says so by being returned."""
    parts = [part for part in (found if isinstance(found, tuple) else (found,)) if hasattr(part, "success")]
    return all(np.all(part.success) for part in parts), "".join(getattr(part, "message", str(part)) for part in parts)


def numbers(found):
    """The floating-point leaves of a result, without the outer step of a limit, which may have no bound."""
    if isinstance(found, pyblo.equilibria.Equilibrium):
        found = [found.u, found.w, found.fun]
    return [leaf for leaf in leaves(found) if leaf.dtype.kind == "f"]


TRIALS = ((zoo.SAME, same), (zoo.REFUSED, refusal), (zoo.VALUES, verdict))


def trials(entry):
    """(name of the kind, value, judge) for one argument; a value is made when it is needed."""
    for kinds, judge in TRIALS:
        for name, make in kinds.items():
            if not entry.may_be(name):
                yield name, make, judge


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.name}({entry.argument})")
def test_every_kind_of_array(entry):
    found = {name: judge(entry, make(entry.value.copy())) for name, make, judge in trials(entry)}
    wrong = {name: text for name, text in found.items() if text}
    assert not wrong, f"{len(wrong)} of {len(found)} kinds"


def test_number_of_cases():
    assert (len(ENTRIES), sum(len(list(trials(entry))) for entry in ENTRIES)) == (547, 40_256)


def aliases():
    """Calls whose arguments are views of one array, or copies of them, by what `of` makes of each."""
    S, v, long = zoo.SQUARE.copy(), np.arange(1.0, 4.0), np.arange(12.0)
    X, gradient, step = long.reshape(4, 3), pyblo.hypergradient, {"step": zoo.STEP, "maxiter": 2}
    whole = lambda of: pyblo.Quadratic(of(S), of(S), of(S), d=of(S[0]), f=of(S[:, 1]), C=of(S.T), e=of(S[2]))
    return {
        "a quadratic of one array": lambda of: gradient(whole(of), of(S[1])),
        "u and w0": lambda of: gradient(whole(of), of(v), w0=of(v), method=pyblo.Unrolled(3, zoo.STEP)),
        "u and w": lambda of: gradient(whole(of), of(v), of(v[::-1])),
        "u is a row of A and w0 its column": lambda of: gradient(whole(of), of(S[0]), w0=of(S[:, 0])),
        "cold_start": lambda of: pyblo.cold_start(whole(of), of(v), of(v), **step),
        "warm_start": lambda of: pyblo.warm_start(whole(of), of(v), of(v), **step),
        "equilibria": lambda of: pyblo.equilibria.cold_start(whole(of), of(v), of(v)),
        "targets": lambda of: gradient(pyblo.TargetLearning(of(X), of(X[1:3]), of(X[1:3, 0])), of(long[:4])),
        "ridge": lambda of: gradient(pyblo.Ridge(of(X), of(X[:, 0]), of(X[1:]), of(long[2:5])), of(long[:3])),
        "biased": lambda of: gradient(pyblo.BiasedRidge(of(X), of(X[:, 0]), of(X[1:]), of(long[2:5]), beta=2.0), of(X[1])),
        "cg from b": lambda of: pyblo.linalg.cg(of(S), of(v), of(v)),
        "cg with rows of A": lambda of: pyblo.linalg.cg(of(S), of(S[0]), of(S[1])),
        "cg with A as its right-hand sides": lambda of: pyblo.linalg.cg(of(S), of(S), of(S.T)),
        "neumann with a row of A": lambda of: pyblo.linalg.neumann(of(S), of(S[2]), terms=5),
        "inner_solution": lambda of: whole(of).inner_solution(of(v), of(v)),
        "inner_gradient": lambda of: whole(of).inner_gradient(of(S[0]), of(S[0])),
    }


@pytest.mark.parametrize("name", aliases())
def test_arguments_may_share_memory(name):
    call, given = aliases()[name], []

    def remember(array):
        given.append((array, array.tobytes()))
        return array

    found, expected = outcome(call, remember), outcome(call, np.array)
    assert not isinstance(found, Exception) and bits(found) == bits(expected)
    assert all(array.tobytes() == before for array, before in given)
    assert not any(np.may_share_memory(leaf, array) for leaf in leaves(found) for array, _ in given)
