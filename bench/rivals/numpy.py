"""NumPy: whole batches at once where there are batches."""
import numpy as np
from measure import Entry

from rivals.blas import and_single


def product(A, x):
    """A x for a batch."""
    return np.matvec(A, x) if hasattr(np, "matvec") else np.matmul(A, x[..., None])[..., 0]


def products():
    """The ways of a batched product that are tried."""
    return {"matvec": product, "einsum": lambda A, x: np.einsum("...ij,...j->...i", A, x),
            "matmul": lambda A, x: np.matmul(A, x[..., None])[..., 0]}


def dot(x, y):
    return np.einsum("...i,...i->...", x, y)[..., None]


def cg_steps(multiply, A, b, steps):
    x, r, p, rr = np.zeros_like(b), b.copy(), b.copy(), dot(b, b)
    for _ in range(steps):
        q = multiply(A, p)
        alpha = rr / dot(p, q)
        x += alpha * p
        r -= alpha * q
        previous, rr = rr, dot(r, r)
        p *= rr / previous
        p += r
    return x


def cg_to(multiply, A, b, rtol, maxiter):
    """The systems still running are kept in a smaller batch."""
    solution, open_, goal = np.zeros_like(b), np.arange(len(b)), rtol**2 * dot(b, b)
    x, r, p, rr = np.zeros_like(b), b.copy(), b.copy(), dot(b, b)
    for _ in range(maxiter):
        keep = (rr > goal)[:, 0]
        if not keep.all():
            solution[open_[~keep]] = x[~keep]
            A, open_, goal, x, r, p, rr = (array[keep] for array in (A, open_, goal, x, r, p, rr))
            if not len(open_):
                return solution
        q = multiply(A, p)
        alpha = rr / dot(p, q)
        x += alpha * p
        r -= alpha * q
        previous, rr = rr, dot(r, r)
        p *= rr / previous
        p += r
    solution[open_] = x
    return solution


def batched_cg(A, b, steps):
    return and_single([Entry(lambda f=f: cg_steps(f, A, b, steps), name) for name, f in products().items()], A.shape[-1])


def batched_cg_to(A, b, rtol, maxiter):
    return and_single([Entry(lambda f=f: cg_to(f, A, b, rtol, maxiter), name) for name, f in products().items()], A.shape[-1])


def neumann_terms(multiply, A, b, terms, alpha):
    first = alpha * b
    x = first.copy()
    for _ in range(terms - 1):
        x += first - alpha * multiply(A, x)
    return x


def neumann(A, b, terms, step):
    alpha = step[:, None].astype(b.dtype)
    entries = [Entry(lambda f=f: neumann_terms(f, A, b, terms, alpha), name) for name, f in products().items()]
    return and_single(entries, A.shape[-1])


def gram(Phi, v):
    """Two products, and, under its own name, a loop over blocks of rows that stay in the cache."""
    rows = max(1, (1 << 20) // (Phi.shape[1] * Phi.itemsize))

    def blocks():
        out = np.zeros_like(v)
        for start in range(0, len(Phi), rows):
            block = Phi[start : start + rows]
            out += block.T @ (block @ v)
        return out

    return [Entry(lambda: Phi.T @ (Phi @ v), "two products"), Entry(blocks, "1 MiB of rows at a time", name="NumPy, row blocks")]


def inner_run(apply, u, w, loop):
    for _ in range(loop.inner_steps):
        w = w - loop.inner_step * apply(w, u)
    return w


def warm_start(target, u0, loop):
    """The loop with products with Φ, or with the Gram matrix."""
    phi, phi_out, y = target.Phi, target.Phi_out, target.y_out
    gram_matrix = phi.T @ phi

    def run(apply, hessian):
        u, w = u0.copy(), np.zeros((*u0.shape[:-1], phi.shape[1]))
        w = inner_run(apply, u, w, loop)
        for _ in range(loop.outer_steps):
            g = (w @ phi_out.T - y) @ phi_out
            q = loop.inner_step * g
            for _ in range(loop.terms - 1):
                q = q + loop.inner_step * (g - hessian(q))
            u = u - loop.outer_step * (q @ phi.T)
            w = inner_run(apply, u, w, loop)
        return u

    return [Entry(lambda: run(lambda w, u: (w @ phi.T - u) @ phi, lambda q: (q @ phi.T) @ phi), "products with Φ"),
            Entry(lambda: run(lambda w, u: w @ gram_matrix - u @ phi, lambda q: q @ gram_matrix), "Gram matrix")]


def ridge_hypergradient(problem, u, w, rtol):
    X, X_val, y_val = problem.X, problem.X_val, problem.y_val

    def run(form):
        penalty = np.exp(u)
        g = X_val.T @ (X_val @ w - y_val) / len(y_val)
        H = X.T @ X / len(X) if form else None
        multiply = (lambda p: H @ p + penalty * p) if form else (lambda p: X.T @ (X @ p) / len(X) + penalty * p)
        q, r, p, rr = np.zeros_like(g), g.copy(), g.copy(), g @ g
        goal = rtol**2 * rr
        while rr > goal:
            Hp = multiply(p)
            alpha = rr / (p @ Hp)
            q += alpha * p
            r -= alpha * Hp
            previous, rr = rr, r @ r
            p = r + rr / previous * p
        return -penalty * w * q

    return [Entry(lambda: run(False), "products with X"), Entry(lambda: run(True), "Gram matrix")]
