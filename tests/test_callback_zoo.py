"""What the functions of a user are given, and what is made of anything that they return."""

import numpy as np
import pytest
import zoo
from test_array_zoo import bits, leaves, memory, outcome, plain, refused, state

import pyblo

METHODS = [pyblo.CG(maxiter=3, normal=True), pyblo.Neumann(3, zoo.STEP), pyblo.Exact()]
UNROLLED = [pyblo.Unrolled(3, zoo.STEP, momentum=0.5, mode=mode) for mode in ("reverse", "forward")]


def everything(kind, functions, point=None):
    """Every loop over a problem of the user, so that each of its functions is called."""
    make, _ = zoo.USERS[kind]
    problem = make(**functions)
    u, w0 = zoo.point(problem) if point is None else point
    found = [pyblo.hypergradient(problem, u, w0=w0, method=method, **zoo.DESCENT) for method in METHODS]
    found += [pyblo.hypergradient(problem, u, w0=w0, method=method) for method in UNROLLED]
    found += [pyblo.hypergradient(problem, u, w0=w0)] if problem.has_inner_solution else []
    found += [pyblo.warm_start(problem, u, w0, method=METHODS[1], step=zoo.STEP, maxiter=2, **zoo.DESCENT)]
    return found


# --- what they return ------------------------------------------------------------------------------------------------

NUMBERS = ("outer_value",)
UNUSED = ("inner_value",)  # no loop calls it
PARTS = {"outer_gradients": (0, 1)}
# Not arrays of the user any more when SciPy hands them on: it looks at shapes and drops masks itself
OF_SCIPY = {("Written", name): ("masked", "masked nowhere", *zoo.SHAPE) for name in ("hessian", "cross", "cross.H")}

SAME_NUMBER = {
    "0-d": np.array,
    "byteswapped": lambda x: np.array(x, np.dtype(float).newbyteorder()),
    "read-only": lambda x: zoo.locked(np.array(x)),
    "subclass": lambda x: np.array(x).view(zoo.Tagged),
    "one entry": lambda x: np.array([x]),
    "last of a row": lambda x: np.array([0.0, x])[::-1][:1],
    "list of one": lambda x: [x],
    "table": zoo.Frame,
    "Python number": float,
    "Python integer": int,
    "bool": lambda x: x > 1,
    **{name: getattr(np, name) for name in ("float16", "float32", "longdouble", "int64", "uint8")},
}
REFUSED_NUMBER = {
    "complex": complex,
    "complex64": np.complex64,
    "None": lambda x: None,
    "text": str,
    "object": lambda x: np.array(x, object),
    "masked": lambda x: np.ma.masked,
    "masked nowhere": np.ma.masked_array,
    "two": lambda x: [x, x],
    "none at all": lambda x: [],
    "ragged": lambda x: [x, [x, x]],
    "a table of one": lambda x: np.array([[x]]),
}
SAME = zoo.SAME | {name: lambda array, name=name: array.astype(name) for name in ("float16", "longdouble")}
SAME["a column"] = zoo.REFUSED["one axis more"]  # as a LinearOperator may keep one
REFUSED = {name: make for name, make in zoo.REFUSED.items() if name not in (*SAME, "one axis more")}


def answers():
    """(kind of problem, function, part of what it returns)."""
    for kind, (_, functions) in zoo.USERS.items():
        for name in functions:
            if name not in UNUSED:
                yield from ((kind, name, part) for part in PARTS.get(name, (None,)))


ANSWERS = list(answers())


class Answering:
    """Functions of which one returns what `make` makes of its answer, and what was returned."""

    def __init__(self, kind, name, part, make):
        self.make, self.part, self.returned = make, part, []
        self.functions = dict(zoo.USERS[kind][1])
        self.right = self.functions[name]
        self.functions[name] = self.answer

    def answer(self, *arguments):
        right = self.right(*arguments)
        if self.part is None:
            return self._made(right)
        return tuple(self._made(value) if k == self.part else value for k, value in enumerate(right))

    def _made(self, right):
        with np.errstate(invalid="ignore"):  # there are negative numbers that unsigned integers cannot hold
            value = self.make(np.array(right))
        owners = memory(value)
        self.returned.append((owners, state(owners)))
        return value

    def left_alone(self, found):
        """Whether nothing that was returned has changed or is a part of the results."""
        shared = not isinstance(found, Exception) and any(
            np.may_share_memory(leaf, owner) for leaf in leaves(found) for owners, _ in self.returned for owner in owners
        )
        return not shared and all(state(owners) == before for owners, before in self.returned)


def outcome_of(kind, name, part, make):
    """What comes of one kind of answer; the functions that gave it."""
    answering = Answering(kind, name, part, make)
    return outcome(lambda functions: everything(kind, functions), answering.functions), answering


@pytest.mark.parametrize(("kind", "name", "part"), ANSWERS)
def test_an_answer_of_any_kind_is_that_of_a_contiguous_copy(kind, name, part):
    kinds, failed = SAME_NUMBER if name in NUMBERS else SAME, {}
    right, _ = outcome_of(kind, name, part, plain)
    assert not isinstance(right, Exception)
    for label, make in kinds.items():
        found, answering = outcome_of(kind, name, part, make)
        expected, _ = outcome_of(kind, name, part, lambda array, make=make: plain(make(array)))
        if not (answering.returned and answering.left_alone(found) and bits(found) == bits(expected)):
            failed[label] = found
    assert not failed


@pytest.mark.parametrize(("kind", "name", "part"), ANSWERS)
def test_an_answer_without_a_meaning_is_refused_by_the_name_of_the_function(kind, name, part):
    kinds, accepted = REFUSED_NUMBER if name in NUMBERS else REFUSED, {}
    for label, make in kinds.items():
        if label not in OF_SCIPY.get((kind, name), ()):
            found, answering = outcome_of(kind, name, part, make)
            if not (refused(found, name.removesuffix(".H")) and answering.left_alone(found)):
                accepted[label] = found
    assert not accepted


# --- what they are given ---------------------------------------------------------------------------------------------


def watched(functions, seen):
    """The same functions, which remember what they are given."""

    def watch(function):
        def call(*arguments):
            seen.extend(arguments)
            return function(*arguments)

        return call

    return {name: watch(function) for name, function in functions.items()}


@pytest.mark.parametrize("kind", zoo.USERS)
def test_functions_are_given_read_only_copies(kind):
    make, functions = zoo.USERS[kind]
    u, w0 = zoo.point(make(**functions))
    shapes = {u.shape, w0.shape}
    for label, change in zoo.SAME.items():
        seen, point = [], (change(u.copy()), change(w0.copy()))
        owners = memory(point)
        found = outcome(lambda functions, point=point: everything(kind, functions, point), watched(functions, seen))
        assert seen and not isinstance(found, Exception), label
        for array in seen:
            assert type(array) is np.ndarray and array.dtype == np.float64 and array.dtype.isnative and array.shape in shapes
            assert array.flags.c_contiguous and array.flags.aligned and not array.flags.writeable, label
            assert not any(np.may_share_memory(array, owner) for owner in owners), label
