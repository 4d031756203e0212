"""JAX, compiled: vmap, lax.fori_loop and lax.scan in float64 where the data are; several forms, of which the fastest competes.

Its arrays lie on the device beforehand and compilation is not counted. A batch is also tried sharded over as many host devices
as there are threads.
"""
import jax
import jax.numpy as jnp
import numpy as np
import settings
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from measure import Entry

jax.config.update("jax_enable_x64", True)

FORMS = {  # products of a batch, and whether its axis comes last
    "einsum": (lambda A, x: jnp.einsum("bij,bj->bi", A, x), False),
    "multiply and sum": (lambda A, x: (A * x[:, None, :]).sum(-1), False),
    "batch last": (lambda A, x: (A * x[None, :, :]).sum(1), True),
}


def waiting(function, *arguments):
    """A run that ends when the result is there."""
    return lambda: jax.block_until_ready(function(*arguments))


def placements(*arrays):
    """The arrays on one device, and their leading axis over all devices where it divides."""
    found = {"": tuple(jnp.asarray(array) for array in arrays)}
    devices = jax.devices()
    if len(devices) > 1 and len(arrays[0]) % len(devices) == 0:
        sharding = NamedSharding(Mesh(np.array(devices), ("batch",)), PartitionSpec("batch"))
        found[", sharded"] = tuple(jax.device_put(array, sharding) for array in arrays)
    return found


def batched(make, *arrays):
    """Entries of make(product, axis)(A, b, …) for every form and placement; make sees arrays with the batch where the form has it."""
    entries = []
    for form, (multiply, last) in FORMS.items():
        def whole(A, *vectors, multiply=multiply, last=last):
            if not last:
                return make(multiply, -1)(A, *vectors)
            return make(multiply, 0)(jnp.moveaxis(A, 0, -1), *(jnp.moveaxis(v, 0, -1) for v in vectors)).T

        compiled = jax.jit(whole)
        entries += [Entry(waiting(compiled, *placed), form + where) for where, placed in placements(*arrays).items()]
    return entries + mapped(make, *arrays)


def mapped(make, *arrays):
    """The same, one problem after the other: it pays where a matrix alone fills the cache."""
    if arrays[0].shape[-1] < 64 or settings.on_gpu():
        return []
    compiled = jax.jit(lambda *arrays: jax.lax.map(lambda one: make(lambda A, x: A @ x, -1)(*one), arrays))
    return [Entry(waiting(compiled, *placements(*arrays)[""]), "lax.map")]


def cg_steps(steps):
    def make(multiply, axis):
        def run(A, b):
            def body(_, state):
                x, r, p, rr = state
                q = multiply(A, p)
                alpha = rr / (p * q).sum(axis, keepdims=True)
                x, r = x + alpha * p, r - alpha * q
                following = (r * r).sum(axis, keepdims=True)
                return x, r, r + following / rr * p, following

            return jax.lax.fori_loop(0, steps, body, (jnp.zeros_like(b), b, b, (b * b).sum(axis, keepdims=True)))[0]

        return run

    return make


def batched_cg(A, b, steps):
    return batched(cg_steps(steps), A, b)


def batched_cg_to(A, b, rtol, maxiter):
    """vmap of jax.scipy's cg: a while_loop with a mask."""
    solve = lambda A, b: jax.scipy.sparse.linalg.cg(lambda p: A @ p, b, tol=rtol, atol=0.0, maxiter=maxiter)[0]
    compiled = jax.jit(jax.vmap(solve))
    one_by_one = jax.jit(lambda A, b: jax.lax.map(lambda pair: solve(*pair), (A, b)))
    placed = placements(A, b)
    return [Entry(waiting(compiled, *arrays), "vmap" + where) for where, arrays in placed.items()] + [
        Entry(waiting(one_by_one, *placed[""]), "lax.map")]


def one_cg(A, b):
    compiled = jax.jit(lambda A, b: jax.scipy.sparse.linalg.cg(lambda p: A @ p, b, tol=1e-10)[0])
    return [Entry(waiting(compiled, jnp.asarray(A), jnp.asarray(b)))]


def neumann(A, b, terms, step):
    def make(multiply, axis):
        def run(A, b, alpha):
            first = alpha * b
            return jax.lax.fori_loop(0, terms - 1, lambda _, x: x + (first - alpha * multiply(A, x)), first)

        return run

    return batched(make, A, b, np.ascontiguousarray(step[:, None]).astype(b.dtype))


def gram(Phi, v):
    """Two products, and a scan over blocks of rows."""
    P, x = jnp.asarray(Phi), jnp.asarray(v)
    entries = [Entry(waiting(jax.jit(lambda P, x: P.T @ (P @ x)), P, x), "two products")]
    rows = next((r for r in (250, 200, 125, 100, 50, 40, 25, 20, 10) if len(Phi) % r == 0), None)
    if rows:
        def blocks(P, x):
            stack = P.reshape(-1, rows, P.shape[1])
            return jax.lax.scan(lambda total, block: (total + block.T @ (block @ x), None), jnp.zeros_like(x), stack)[0]

        entries.append(Entry(waiting(jax.jit(blocks), P, x), "scan over row blocks"))
    return entries


def gram_sparse(Phi, v):
    """Sums over the rows' segments and scattered adds; and jax.experimental.sparse."""
    from jax.experimental.sparse import BCOO

    rows = jnp.asarray(np.repeat(np.arange(Phi.shape[0]), np.diff(Phi.indptr)))
    columns, data, x = jnp.asarray(Phi.indices), jnp.asarray(Phi.data), jnp.asarray(v)
    weights = data if v.ndim == 1 else data[:, None]

    def segments(weights, rows, columns, x):
        y = jax.ops.segment_sum(weights * x[columns], rows, num_segments=Phi.shape[0], indices_are_sorted=True)
        return jnp.zeros_like(x).at[columns].add(weights * y[rows])

    matrix = BCOO.from_scipy_sparse(Phi)
    return [Entry(waiting(jax.jit(segments), weights, rows, columns, x), "segment sums"),
            Entry(waiting(jax.jit(lambda P, x: P.T @ (P @ x)), matrix, x), "BCOO")]


def warm_start(target, u0, loop):
    """A scan over the outer steps, the few inner steps and terms written out; products with Φ or with the Gram matrix."""
    phi, phi_out, y = (jnp.asarray(array) for array in (target.Phi, target.Phi_out, target.y_out))
    gram_matrix = phi.T @ phi
    dots = lambda v, M: v @ M
    sums = lambda v, M: (v[..., :, None] * M).sum(-2)

    def run(u0, multiply, with_gram):
        if with_gram:
            gradient, hessian = lambda w, c: multiply(w, gram_matrix) - c, lambda q: multiply(q, gram_matrix)
        else:
            gradient = lambda w, u: multiply(multiply(w, phi.T) - u, phi)
            hessian = lambda q: multiply(multiply(q, phi.T), phi)

        def inner(u, w):
            known = multiply(u, phi) if with_gram else u
            for _ in range(loop.inner_steps):
                w = w - loop.inner_step * gradient(w, known)
            return w

        def outer(state, _):
            u, w = state
            g = multiply(multiply(w, phi_out.T) - y, phi_out)
            q = loop.inner_step * g
            for _ in range(loop.terms - 1):
                q = q + loop.inner_step * (g - hessian(q))
            u = u - loop.outer_step * multiply(q, phi.T)
            return (u, inner(u, w)), None

        start = inner(u0, jnp.zeros((*u0.shape[:-1], phi.shape[1])))
        return jax.lax.scan(outer, (u0, start), None, length=loop.outer_steps)[0][0]

    entries = []
    for name, multiply in (("dot", dots), ("multiply and sum", sums)):
        for form in (False, True):
            compiled, title = jax.jit(lambda u, m=multiply, f=form: run(u, m, f)), f"{name}, {'Gram matrix' if form else 'Φ'}"
            placed = placements(u0) if u0.ndim > 1 else {"": (jnp.asarray(u0),)}
            entries += [Entry(waiting(compiled, *arrays), title + where) for where, arrays in placed.items()]
    return entries


def ridge_hypergradient(problem, u, w, rtol):
    arrays = tuple(jnp.asarray(array) for array in (u, w, problem.X, problem.X_val, problem.y_val))

    def run(form, u, w, X, X_val, y_val):
        penalty = jnp.exp(u)
        g = X_val.T @ (X_val @ w - y_val) / len(y_val)
        H = X.T @ X / len(X) if form else None
        multiply = (lambda p: H @ p + penalty * p) if form else (lambda p: X.T @ (X @ p) / len(X) + penalty * p)
        return -penalty * w * jax.scipy.sparse.linalg.cg(multiply, g, tol=rtol, maxiter=10 * len(g))[0]

    return [Entry(waiting(jax.jit(lambda *a: run(False, *a)), *arrays), "products with X"),
            Entry(waiting(jax.jit(lambda *a: run(True, *a)), *arrays), "Gram matrix")]
