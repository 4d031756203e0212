"""Anti-distillation with truncated conjugate gradients (paper 000, App. F.2, Fig. 15).

CG is a polynomial in H that depends on g, so a loop of it has no closed form in general. Here it has: with one original point
g = ∂F/∂w = (φₒᵀw − y)φₒ keeps its direction, and CG scales with g. Hence u* = yΦq/(φₒᵀΦ⁺Φq), where q minimises ½qᵀHq − φₒᵀq
over the Krylov space of dimension k, and H⁺φₒ is reached when that space grows no more: with 13 points placed evenly around the
original one at k = 7, because φₒ has no part along the odd eigenvectors.
"""
from dataclasses import dataclass

import numpy as np

import pyblo

from . import Table, csv_text
from ._antidistillation_task import Task, task

__all__ = ["CGRun", "Truncated", "csv", "figures", "run", "table"]

NAME = "antidistillation-cg"


@dataclass(frozen=True)
class CGRun:
    """CG of k iterations: where the loop went, and where it goes in exact arithmetic.

    Attributes
    ----------
    iterations : int
        k.
    loop : BilevelResult
        `pyblo.cold_start` from u = 0.
    fit : ndarray
        φ(x)ᵀw on the result's grid.
    limit : ndarray
        The targets in closed form.
    neumann : ndarray
        The targets of Neumann with k terms, which costs as many products, in closed form.
    """

    iterations: int
    loop: object
    fit: np.ndarray
    limit: np.ndarray
    neumann: np.ndarray


@dataclass(frozen=True)
class Truncated(Task):
    """The result: the task, the runs, the pseudoinverse, and where exact CG ends.

    Attributes
    ----------
    runs : tuple of CGRun
        By number of iterations.
    exact : Equilibrium
        The limit with the pseudoinverse.
    exact_fit : ndarray
        Its fit on the grid.
    dimension : int
        The iterations after which CG ends in exact arithmetic.
    """

    runs: tuple
    exact: object
    exact_fit: np.ndarray
    dimension: int

    def distance(self, u):
        """Return ‖u − u_exact‖/‖u_exact‖ from the targets of the pseudoinverse."""
        return relative(u, self.exact.u)


def relative(u, reference):
    """Return ‖u − reference‖/‖reference‖."""
    return float(np.linalg.norm(u - reference) / np.linalg.norm(reference))


def run(progress=None, *, iterations=range(1, 22), inner_step=1e-7, outer_step=1e-2, points=13, interval=(-2.0, 2.0),
        original=(0.0, 2.0), harmonics=10, amplitudes="exponential", tol=1e-12, maxiter=10**6):
    """Run cold start with CG of each number of iterations.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    iterations : sequence of int
        The numbers k.
    inner_step, outer_step, points, interval, original, harmonics, amplitudes, tol, maxiter
        As in `antidistillation.run`; the inner step is that of the Neumann series.

    Returns
    -------
    Truncated
    """
    shared, start = task(points, interval, original, harmonics, amplitudes), np.zeros(points)
    exact, runs = pyblo.equilibria.cold_start(shared.problem, start), []
    for done, k in enumerate(iterations):
        if progress is not None:
            progress(done, len(iterations), f"CG, k = {k}")
        method = pyblo.CG(maxiter=k, rtol=0.0)
        loop = pyblo.cold_start(shared.problem, start, method=method, step=outer_step, tol=tol, maxiter=maxiter, history=False)
        neumann = pyblo.equilibria.cold_start(shared.problem, start, method=pyblo.Neumann(k, inner_step)).u
        runs.append(CGRun(k, loop, shared.features @ loop.w, closed_form(shared.problem, k)[0], neumann))
    if progress is not None:
        progress(len(iterations), len(iterations), "done")
    dimension = closed_form(shared.problem, shared.problem.inner_size)[1]
    return Truncated(**vars(shared), runs=tuple(runs), exact=exact, exact_fit=shared.features @ exact.w, dimension=dimension)


def closed_form(problem, iterations):
    """Return the targets that exact CG of so many iterations leads to from u = 0, and the dimension of its Krylov space.

    Lanczos in the eigenbasis of H = ΦᵀΦ, orthogonalised twice: q = Q(QᵀΛQ)⁻¹Qᵀg with an orthonormal basis Q of the Krylov space.
    """
    _, sigma, Vt = np.linalg.svd(problem.Phi, full_matrices=False)
    values, g = sigma**2, Vt @ problem.Phi_out[0]
    g[np.abs(g) <= 100 * np.finfo(float).eps * np.linalg.norm(g)] = 0.0  # they vanish by symmetry, and CG would amplify them
    basis = [g / np.linalg.norm(g)]
    while len(basis) < iterations:
        Q = np.array(basis)
        new = values * basis[-1]
        for _ in range(2):
            new = new - Q.T @ (Q @ new)
        size = np.linalg.norm(new)
        if size <= 100 * np.finfo(float).eps * values[0]:  # what is left of the product is rounding
            break
        basis.append(new / size)
    Q = np.array(basis)
    q = Vt.T @ (Q.T @ np.linalg.solve(Q * values @ Q.T, Q @ g))  # in the range of H, so that Φ⁺Φq = q
    return problem.Phi @ q * (problem.y_out[0] / (problem.Phi_out[0] @ q)), len(basis)


def table(result):
    """Return ‖u‖² for each number of iterations, by the loop and in exact arithmetic, as a Table."""
    rows = []
    for each in result.runs:
        loop = each.loop
        rows.append((f"{each.iterations}", f"{loop.u @ loop.u:.4f}", f"{each.limit @ each.limit:.4f}",
                     f"{relative(loop.u, each.limit):.0e}", f"{result.distance(loop.u):.0e}", f"{loop.w @ loop.w:.3e}",
                     f"{each.neumann @ each.neumann:.4f}", f"{loop.nit:,}" + ("" if loop.success else " (not converged)")))
    columns = ("CG iterations k", "‖u‖², loop", "exact arithmetic", "Δ", "from pseudoinverse", "‖w‖²", "‖u‖², Neumann T = k",
               "outer steps")
    caption = (f"Δ = ‖u_loop − u‖/‖u‖ from exact arithmetic, in which CG ends after {result.dimension} iterations; what differs "
               f"there is rounding. The pseudoinverse: ‖u‖² = {result.exact.u @ result.exact.u:.4f}. Neumann has as many "
               "products as CG.")
    return Table("Anti-distillation with truncated conjugate gradients", columns, tuple(rows), caption)


def csv(result):
    """Return CSV texts: norms and distances, the learned targets, and the fits."""
    norms, targets, fits = [], [], []
    for each in result.runs:
        loop, k = each.loop, each.iterations
        norms.append((k, loop.u @ loop.u, each.limit @ each.limit, relative(loop.u, each.limit), result.distance(loop.u),
                      loop.w @ loop.w, each.neumann @ each.neumann))
        targets += [(k, *row) for row in zip(result.x, loop.u, each.limit, strict=True)]
        fits += [(k, *row) for row in zip(result.grid, each.fit, strict=True)]
    columns = ("iterations", "u_norm_squared", "u_norm_squared_exact_arithmetic", "deviation", "distance_from_pseudoinverse",
               "w_norm_squared", "u_norm_squared_neumann")
    return {
        f"{NAME}-norms": csv_text(columns, norms),
        f"{NAME}-targets": csv_text(("iterations", "x", "target", "target_exact_arithmetic"), targets),
        f"{NAME}-fits": csv_text(("iterations", "x", "model"), fits),
    }


def figures(result):
    """Return the figure: targets and fits of some numbers of iterations, ‖u‖², and the distance from the pseudoinverse."""
    from ._antidistillation_cg_figure import draw

    return {NAME: draw(result)}
