"""PyTorch where it is installed: eager, with its own batched products; batches also on a GPU."""
import warnings

import settings
import torch
from measure import Entry

torch.set_num_threads(settings.threads())


def placed(array):
    """The array where the work is."""
    return torch.from_numpy(array).to("cuda" if settings.on_gpu() else "cpu")


def waiting(run):
    """A run that ends when the result is there."""
    def waited():
        result = run()
        torch.cuda.synchronize()
        return result

    return waited if settings.on_gpu() else run


def product(A, x):
    return torch.bmm(A, x[..., None])[..., 0]


def dot(x, y):
    return (x * y).sum(-1, keepdim=True)


def batched_cg(A, b, steps):
    A, b = placed(A), placed(b)

    @torch.inference_mode()
    def run():
        x, r, p, rr = torch.zeros_like(b), b.clone(), b.clone(), dot(b, b)
        for _ in range(steps):
            q = product(A, p)
            alpha = rr / dot(p, q)
            x.addcmul_(alpha, p)
            r.addcmul_(alpha, q, value=-1)
            previous, rr = rr, dot(r, r)
            p = torch.addcmul(r, rr / previous, p)
        return x

    return [Entry(waiting(run))]


def neumann(A, b, terms, step):
    A, b, alpha = placed(A), placed(b), placed(step[:, None].astype(b.dtype))

    @torch.inference_mode()
    def run():
        first = alpha * b
        x = first.clone()
        for _ in range(terms - 1):
            x += first - alpha * product(A, x)
        return x

    return [Entry(waiting(run))]


def gram(Phi, v):
    P, x = torch.from_numpy(Phi), torch.from_numpy(v)
    return [Entry(lambda: P.T @ (P @ x), "two products")]


def gram_sparse(Phi, v):
    def csr(matrix):
        parts = (torch.from_numpy(part) for part in (matrix.indptr, matrix.indices, matrix.data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "beta state"
            return torch.sparse_csr_tensor(*parts, size=matrix.shape)

    P, transposed, x = csr(Phi), csr(Phi.T.tocsr()), torch.from_numpy(v)
    return [Entry(lambda: transposed @ (P @ x), "a transposed copy kept")]


def warm_start(target, u0, loop):
    phi, phi_out, y, start = (torch.from_numpy(array) for array in (target.Phi, target.Phi_out, target.y_out, u0))
    gram_matrix = phi.T @ phi

    def inner(u, w):
        known = u @ phi
        for _ in range(loop.inner_steps):
            w = w - loop.inner_step * (w @ gram_matrix - known)
        return w

    @torch.inference_mode()
    def run():
        u = start.clone()
        w = inner(u, torch.zeros(*u.shape[:-1], phi.shape[1], dtype=u.dtype))
        for _ in range(loop.outer_steps):
            g = (w @ phi_out.T - y) @ phi_out
            q = loop.inner_step * g
            for _ in range(loop.terms - 1):
                q = q + loop.inner_step * (g - q @ gram_matrix)
            u = u - loop.outer_step * (q @ phi.T)
            w = inner(u, w)
        return u

    return [Entry(run, "Gram matrix")]
