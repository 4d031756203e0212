"""SciPy: a loop over scipy.sparse.linalg.cg where there is a batch (a part of it, scaled), and its sparse products."""
import numpy as np
from measure import Entry
from scipy.sparse.linalg import LinearOperator, cg

from rivals.blas import and_single

PART = 64  # systems of a batch that the loop solves


def loop(A, b, **options):
    part = min(PART, len(b))

    def run():
        return np.stack([cg(A[i], b[i], **options)[0] for i in range(part)])

    return and_single([Entry(run, f"loop over {part} of {len(b)}", part / len(b))], A.shape[-1])


def batched_cg(A, b, steps):
    return loop(A, b, rtol=0.0, atol=0.0, maxiter=steps)


def batched_cg_to(A, b, rtol, maxiter):
    return loop(A, b, rtol=rtol, atol=0.0, maxiter=maxiter)


def one_cg(A, b):
    return [Entry(lambda: cg(A, b, rtol=1e-10, atol=0.0)[0])]


def gram_sparse(Phi, v):
    transposed = Phi.T.tocsr()
    return [Entry(lambda: Phi.T @ (Phi @ v), "Φ.T @ (Φ @ v)"), Entry(lambda: transposed @ (Phi @ v), "a transposed copy kept")]


def ridge_hypergradient(problem, u, w, rtol):
    X, X_val, y_val = problem.X, problem.X_val, problem.y_val
    n = X.shape[1]

    def run():
        penalty = np.exp(u)
        g = X_val.T @ (X_val @ w - y_val) / len(y_val)
        H = LinearOperator((n, n), lambda p: X.T @ (X @ p) / len(X) + penalty * p, dtype=X.dtype)
        return -penalty * w * cg(H, g, rtol=rtol, atol=0.0)[0]

    return [Entry(run, "LinearOperator")]
