"""pyblo's own entries, in the form of a rival's."""
from measure import Entry

import pyblo


def batched_cg(A, b, steps):
    return [Entry(lambda: pyblo.linalg.cg(A, b, rtol=0.0, atol=0.0, maxiter=steps)[0])]


def batched_cg_to(A, b, rtol, maxiter):
    return [Entry(lambda: pyblo.linalg.cg(A, b, rtol=rtol, atol=0.0, maxiter=maxiter)[0])]


def one_cg(A, b):
    return [Entry(lambda: pyblo.linalg.cg(A, b)[0])]


def neumann(A, b, terms, step):
    return [Entry(lambda: pyblo.linalg.neumann(A, b, terms=terms, step=step))]


def gram(Phi, v):
    return [Entry(lambda: pyblo.linalg.gram_hvp(Phi, v))]


gram_sparse = gram


def warm_start(target, u0, loop):
    """What a user gets, and the route that makes the same products as the rivals."""
    problem = pyblo.TargetLearning(target.Phi, target.Phi_out, target.y_out)
    method, inner = pyblo.Neumann(loop.terms, loop.inner_step), pyblo.GradientDescent(loop.inner_steps, loop.inner_step)

    def run(route):
        return pyblo.warm_start(problem, u0, method=method, inner=inner, step=loop.outer_step, maxiter=loop.outer_steps, tol=0,
                                history=False, route=route).u

    return [Entry(lambda: run("auto")), Entry(lambda: run("iterate"), name="pyblo, route='iterate'")]


def ridge_hypergradient(problem, u, w, rtol):
    ridge = pyblo.Ridge(problem.X, problem.y, problem.X_val, problem.y_val)
    return [Entry(lambda: pyblo.hypergradient(ridge, u, w, method=pyblo.CG(rtol=rtol)).grad)]
