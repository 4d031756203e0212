"""jaxopt's implicit differentiation (implicit_diff.root_vjp with its solve_cg), compiled by JAX."""
import warnings

import jax
import jax.numpy as jnp
from measure import Entry

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # "no longer maintained": it is still what people use
    from jaxopt import implicit_diff, linear_solve

jax.config.update("jax_enable_x64", True)


def ridge_hypergradient(problem, u, w, rtol):
    """The vector–Jacobian product at the given inner solution."""
    data = tuple(jnp.asarray(array) for array in (problem.X, problem.y, problem.X_val, problem.y_val))

    def solve(multiply, b):
        return linear_solve.solve_cg(multiply, b, tol=rtol, maxiter=10 * len(b))

    def run(u, w, X, y, X_val, y_val):
        def inner(w, u):
            return 0.5 * jnp.mean((X @ w - y) ** 2) + 0.5 * w @ (jnp.exp(u) * w)

        g = jax.grad(lambda w: 0.5 * jnp.mean((X_val @ w - y_val) ** 2))(w)
        return implicit_diff.root_vjp(jax.grad(inner), w, (u,), g, solve=solve)[0]

    compiled = jax.jit(run)
    arguments = (jnp.asarray(u), jnp.asarray(w), *data)
    return [Entry(lambda: jax.block_until_ready(compiled(*arguments)), "root_vjp, solve_cg")]
