"""The affine maps of cold and warm start in rational numbers, and their powers in balls: independent of how the library finds them."""

import numpy as np
from flint import arb_mat, ctx, fmpq, fmpq_mat
from oracle import RATIONAL, Reference, rational_matrix

import pyblo

BITS = 4096


def one_step(case, algorithm, method, inner, step):
    """The exact function z -> z⁺ of columns of rationals."""
    exact, m = Reference.of(case), case.shape[1]
    w0, beta = rational_matrix(case.w0), RATIONAL.scalar(step)

    def apply(z):
        u = rows(z, 0, m)
        w = run(exact, inner, u, w0) if algorithm == "cold" else rows(z, m, z.nrows())
        moved = u - gradient(exact, method, u, w) * beta
        return moved if algorithm == "cold" else stacked(moved, run(exact, inner, moved, w))

    return apply


def first_state(case, algorithm, inner):
    """The state from which the loop starts."""
    u, w0 = rational_matrix(case.u), rational_matrix(case.w0)
    return u if algorithm == "cold" else stacked(u, run(Reference.of(case), inner, u, w0))


def run(exact, inner, u, w):
    """The end of an inner run; every number of it must be given."""
    if isinstance(inner, pyblo.ClosedForm):
        return exact.inner_solution(u, w)
    if isinstance(inner, pyblo.Proximal):
        return exact.damped(w * RATIONAL.scalar(inner.eps) - exact.force(u), inner.eps)
    return exact.descend(u, w, inner.steps, inner.step, inner.momentum, inner.nesterov)[0]


def gradient(exact, method, u, w):
    """The approximate hypergradient at a pair."""
    g = exact.outer_gradient(w)
    if isinstance(method, pyblo.Unrolled):
        derivative = exact.descend(u, w, method.differentiated, method.step, method.momentum, method.nesterov)[1]
        return derivative.transpose() * g
    if isinstance(method, pyblo.Exact):
        return exact.implicit(w, exact.pseudoinverse(g))
    if isinstance(method, pyblo.Damped):
        return exact.implicit(w, exact.damped(g, method.eps))
    if isinstance(method, pyblo.Identity):
        return exact.implicit(w, g)
    return exact.implicit(w, exact.neumann(g, method.terms, method.step))


def affine(apply, size):
    """E and c of an affine function, from its values at 0 and at the unit vectors."""
    zero = fmpq_mat(size, 1)
    c, images = apply(zero), []
    for j in range(size):
        unit = fmpq_mat(size, 1)
        unit[j, 0] = fmpq(1)
        images.append(apply(unit) - c)
    return fmpq_mat(size, size, [images[j][i, 0] for i in range(size) for j in range(size)]), c


def iterate(E, c, z, t):
    """z_t in balls, by squaring the bordered matrix [[E, c], [0, 1]] of exact numbers."""
    before, ctx.prec = ctx.prec, BITS
    try:
        size = E.nrows()
        border = [[*(E[i, j] for j in range(size)), c[i, 0]] for i in range(size)] + [[fmpq(0)] * size + [fmpq(1)]]
        power, state = arb_mat(border), arb_mat([[z[i, 0]] for i in range(size)] + [[fmpq(1)]])
        while t:
            state = power * state if t & 1 else state
            t >>= 1
            power = power * power if t else power
        return np.array([float(state[i, 0].mid()) for i in range(size)]), max(float(state[i, 0].rad()) for i in range(size))
    finally:
        ctx.prec = before


def rows(z, first, last):
    """Some rows of a column."""
    return fmpq_mat(last - first, 1, [z[i, 0] for i in range(first, last)])


def stacked(u, w):
    """One column above another."""
    return fmpq_mat(u.nrows() + w.nrows(), 1, [*u.entries(), *w.entries()])
