"""The verification: its references against exact arithmetic, its claims with planted mistakes, its command."""

import dataclasses
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from oracle import Reference, array, error, numbers, rational_matrix
from typer.testing import CliRunner

import pyblo
from pyblo import __main__ as cli
from pyblo import _plan, spectral
from pyblo.problems.quadratic import Quadratic
from pyblo.verification import LIMIT, _errors, _inner, _outer, _printed, _responses, _run, instance, verify
from pyblo.verification._blocks import draw

EPS = np.finfo(float).eps
BLOCKS = range(6)  # every kind: singular or not, diagonal or not, steep or not, ridge or not


def checked(statements):
    """The worst deviation of each claim on three problems of every kind, by its text."""
    worst = {}
    for number in BLOCKS:
        block = draw(5, number).take(slice(3))
        for statement in statements:
            part = block.take(statement.subject(block))
            if part.count:
                worst[statement.text] = max(worst.get(statement.text, 0.0), float(statement.measure(part).max()))
    return worst


def violated(*modules):
    """The claims of some modules, or of all, that are violated."""
    statements = [each for module in modules for each in module.STATEMENTS] or _run.STATEMENTS
    return {text for text, deviation in checked(statements).items() if deviation > LIMIT}


def texts(module, *measures):
    """The texts of the claims with these measures."""
    return {statement.text for statement in module.STATEMENTS if statement.measure in measures}


# --- the references ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[(0, 0), (2, 3), (8, 1)])
def regular(request):
    """A problem with a regular A, and it in rational numbers."""
    number, index = request.param
    block = draw(1, number).take(slice(index, index + 1))
    case = {name: getattr(block, name)[0] for name in ("A", "B", "P", "d", "f", "u0", "w0")}
    reference = Reference.of(type("Case", (), {**case, "h": 0.0}))
    return block, reference, rational_matrix(case["u0"]), rational_matrix(case["w0"])


def test_solutions_by_least_squares_against_exact_arithmetic(regular):
    block, reference, u, w0 = regular
    found = _inner.nearest_solution(block, block.u0, block.w0)[0]
    away = error(found, reference.inner_solution(u, w0))
    assert away <= 20 * EPS * block.kappa[0] * block.reach(block.u0, np.linalg.norm(block.w0[0]))[0]


def test_exact_hypergradients_against_exact_arithmetic(regular):
    block, reference, u, w0 = regular
    task = _errors.task(block)
    assert isinstance(task.problem, Quadratic)
    w = reference.inner_solution(u, w0)
    exact = reference.implicit(w, reference.pseudoinverse(reference.outer_gradient(w)))
    unit = EPS * block.kappa[0] * np.linalg.norm(block.J[0], 2) * block.force(block.reach(block.u0))[0]
    assert error(task.exact[0], exact) <= 20 * unit


def test_outer_solutions_against_exact_arithmetic(regular):
    block, reference, u, w0 = regular
    found = _outer.nearest_outer(block)[0]
    # the gradient of F* there, and the part of u − u₀ that Z does not see
    w = reference.inner_solution(rational_matrix(found), w0)
    gradient = reference.implicit(w, reference.pseudoinverse(reference.outer_gradient(w)))
    assert np.linalg.norm(numbers(gradient)) <= 100 * EPS * block.kappa[0] * block.slope[0]
    J = array(-reference.pseudoinverse(reference.B))
    seen = np.linalg.svd(block.root[0].T @ J)
    rank = int(np.sum(seen[1] > 1e-9 * seen[1][0]))
    unseen = np.linalg.norm(seen[2][rank:] @ (found - block.u0[0]))
    assert unseen <= 100 * EPS * block.kappa[0] * np.sqrt(block.kappa_Z[0]) * np.linalg.norm(found - block.u0[0])


def test_blocks_are_as_they_say():
    for number in BLOCKS:
        block = draw(3, number)
        values = np.linalg.eigvalsh(block.A)
        n = values.shape[-1]
        assert np.all(np.abs(values[:, -1] - block.L) <= 10 * n * EPS * block.L)
        assert np.all(np.abs(values[:, n - block.rank] - block.mu) <= 10 * n * EPS * block.L)
        assert (block.rank < n) == (number % 2 == 1)
        outside = block.B - block.A @ (block.inverse @ block.B)
        assert np.all(np.linalg.norm(outside, axis=(-2, -1)) <= 100 * EPS * block.kappa * np.linalg.norm(block.B, axis=(-2, -1)))
        assert np.all(np.abs(block.f + (block.root @ block.target[..., None])[..., 0]) == 0)


def test_a_problem_is_the_same_however_many_are_asked_for():
    one, block = instance(103, seed=2), draw(2, 1)
    assert np.array_equal(one.A[0], block.A[3]) and np.array_equal(one.ridge[0].X[0], block.ridge[0].X[3])
    assert np.array_equal(one.normal(3, 2)[0], block.normal(3, 2)[3])


# --- the claims ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    """A verification of three blocks."""
    return verify(250, seed=1)


def test_no_claim_is_violated(found):
    assert found.success and found.violations == 0
    assert all(claim.problems > 0 and claim.worst <= LIMIT for claim in found.claims)
    assert [claim.problems for claim in found.claims if claim.text.startswith("which is −A⁺b")] == [250]


def test_the_worst_problem_is_the_worst(found):
    for claim, statement in zip(found.claims, _run.STATEMENTS, strict=True):
        alone = float(statement.measure(instance(claim.worst_problem, 1)).max())
        assert alone <= LIMIT, claim.text
        if statement.measure in (_inner._closed_form, _outer._formula, _errors._adjoint_rate):  # of others LAPACK's bits differ alone
            assert alone == pytest.approx(claim.worst, rel=1e-6)


def test_loops_that_end_before_their_last_step():
    # A gradient of exactly zero ends one of two loops that are compared pair by pair; a block of one problem has no other to go on.
    ended = 0
    for seed in range(20):
        assert verify(1, seed=seed).success
        block = draw(seed, 0).take(slice(1))
        block = block.take(_outer.strongly_convex(block))
        if block.count:
            cold = pyblo.cold_start(block.problem, block.u0, maxiter=_outer.OUTER, tol=0.0)
            ended += cold.history.u.shape[1] <= _outer.OUTER
            assert np.all(_outer._pair_by_pair(block) <= LIMIT)
    assert ended


def test_what_is_printed_is_off_by_what_it_should(found):
    printed = {row.source: row for row in found.printed}
    assert printed["000 §2, §4.2, Alg. 5"].median == pytest.approx(2, abs=1e-9)
    assert printed["000 App. B.1"].worst == pytest.approx(2, abs=1e-9)
    assert printed["002 Eq. 8"].median == np.inf
    rows = [draw(1, number).ridge[0].X.shape[-2] for number in range(3)]
    assert printed["003"].worst == pytest.approx(max(rows) ** 2 - 1, rel=1e-9)
    assert all(row.median > 0.01 for row in found.printed if row.source != "000 §3.3.1")  # U is symmetric where n = 1


def test_eq_5_against_its_filters():
    block = next(block for block in (draw(0, number) for number in range(40)) if block.A.shape[-1] == 1)
    K, a, alpha = _printed._few(block), block.A[:, 0, 0], block.step
    truncated = (1 - (1 - alpha * a) ** (K + 1)) / a
    expected = np.abs(1 / (a + 1 / (alpha * K)) / truncated - 1)
    assert np.allclose(_printed._damped_for_truncated(block), expected, rtol=1e-10, atol=1e-13)


def test_what_holds_of_eq_5():
    row = next(row for row in _printed.MISPRINTS if row.measure is _printed._damped_for_truncated)
    assert row.instead == "for αλ ≤ 1 equal at λ = 0 only, with ε = 1/(α(K+1)); both → 1/λ as K → ∞"
    truncated = lambda x, K: Fraction(sum((1 - x) ** j for j in range(K + 1)))  # α = 1
    damped = lambda x, K: 1 / (x + Fraction(1, K + 1))
    for K in range(1, 12):
        assert truncated(Fraction(0), K) == damped(Fraction(0), K) == K + 1
        assert all(truncated(Fraction(x, 40), K) > damped(Fraction(x, 40), K) for x in range(1, 41))
    assert truncated(Fraction(3, 2), 1) == damped(Fraction(3, 2), 1)  # beyond αλ = 1 they may cross
    assert all(abs(response(Fraction(1, 2), 400) - 2) < Fraction(1, 100) for response in (truncated, damped))
    assert abs(truncated(Fraction(100), 10)) > 10**17  # and no limit λ → ∞ has them equal


def test_summary_says_it_all(found):
    text = found.summary()
    assert all(claim.source in text for claim in found.claims) and "250 of seed 1" in text


@pytest.mark.parametrize(("arguments", "message"), [
    ({"problems": 0}, "problems: 0 is not valid"), ({"problems": 3, "seed": -1}, "seed: -1 is not valid"),
])
def test_bad_values_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        verify(**arguments)


def test_progress_is_told():
    said = []
    verify(101, progress=lambda *each: said.append(each[:2]))
    assert said == [(0, 101), (100, 101), (101, 101)]


# --- planted mistakes ------------------------------------------------------------------------------------------------------


def test_nothing_planted_nothing_found():
    assert violated() == set()


def test_a_damped_inverse_for_the_pseudoinverse(monkeypatch):
    def damped(self):
        return self.values / (self.values**2 + 1e-9 * self.values.max(axis=-1, keepdims=True) ** 2)

    monkeypatch.setattr(spectral.Spectrum, "inverse", damped)
    assert violated() >= texts(_inner, _inner._closed_form)


def test_a_wrong_sign_of_the_response(monkeypatch):
    right = _plan._adjoint_arrays

    def negative(*given):
        vectors, (response, core) = right(*given)
        return vectors, (-response, core)

    monkeypatch.setattr(_plan, "_adjoint_arrays", negative)
    assert violated() >= texts(_outer, _outer._equilibrium, _outer._loop_end) | texts(_responses, _responses._proximal)


def test_one_term_too_many(monkeypatch):
    neumann = _responses.Neumann
    monkeypatch.setattr(_responses, "Neumann", lambda terms, step: neumann(terms + 1, step))
    assert violated(_responses) == {statement.text for statement in _responses.STATEMENTS[:3]}


@pytest.mark.parametrize("factor", [1 + 1e-7, 2.0])
def test_another_damping(monkeypatch, factor):
    damped = _responses.Damped
    monkeypatch.setattr(_responses, "Damped", lambda eps: damped(eps * factor))
    assert violated(_responses) == texts(_responses, _responses._proximal)


def test_another_proximal_weight(monkeypatch):
    proximal = _responses.Proximal
    monkeypatch.setattr(_responses, "Proximal", lambda eps: proximal(eps * (1 + 1e-7)))
    assert violated(_responses) == texts(_responses, _responses._proximal_solution)


def test_descent_from_another_start(monkeypatch):
    right = _inner.hypergradient
    monkeypatch.setattr(_inner, "hypergradient", lambda *given, w0, **rest: right(*given, w0=w0 + 1e-7, **rest))
    assert violated(_inner) == texts(_inner, _inner._descent)


def test_another_reduced_objective(monkeypatch):
    right = Quadratic.outer_value
    monkeypatch.setattr(Quadratic, "outer_value", lambda self, u, w: right(self, u, w) * (1 + 1e-7))
    assert violated(_inner) == texts(_inner, _inner._values, _inner._curvature)


def test_a_concave_reduced_objective(monkeypatch):
    monkeypatch.setattr(_inner, "_reduced", lambda block, u: -(u**2).sum(-1) + 0 * block.mu)
    assert violated(_inner) >= texts(_inner, _inner._values, _inner._curvature)


def test_a_loop_from_another_start(monkeypatch):
    right = _outer.cold_start
    monkeypatch.setattr(_outer, "cold_start", lambda problem, u0, *given, **rest: right(problem, u0 + 1e-6, *given, **rest))
    assert violated(_outer) >= texts(_outer, _outer._loop_end)


def test_too_few_outer_steps(monkeypatch):
    right = _outer.cold_start
    monkeypatch.setattr(_outer, "FOR_EVER", 5)
    monkeypatch.setattr(_outer, "cold_start", lambda *given, maxiter, **rest: right(*given, maxiter=min(maxiter, 20), **rest))
    assert violated(_outer) >= texts(_outer, _outer._equilibrium, _outer._loop_end, _outer._limit)


def test_a_limit_with_the_wrong_sign(monkeypatch):
    right = pyblo.equilibria.cold_start
    monkeypatch.setattr(pyblo.equilibria, "cold_start", lambda problem, u0, w0: dataclasses.replace(
        right(problem, u0, w0), u=2 * u0 - right(problem, u0, w0).u))
    assert violated(_outer) == texts(_outer, _outer._formula)


def test_remark_3_2_needs_strong_convexity():
    block = draw(5, 1)
    assert block.rank < block.A.shape[-1]
    assert np.all(_outer._pair_by_pair(block.take(block.kappa <= 30)) > 1e6)


def test_equilibria_of_another_problem(monkeypatch):
    right = _outer.affine_map

    def shifted(problem, algorithm, *, inner=None, **rest):
        found = right(problem, algorithm, inner=inner, **rest)
        return dataclasses.replace(found, offset=found.offset + 1e-4) if algorithm == "warm" and inner == pyblo.ClosedForm() else found

    monkeypatch.setattr(_outer, "affine_map", shifted)
    assert violated(_outer) >= texts(_outer, _outer._full_is_partial, _outer._same_set)


@pytest.mark.parametrize(("name", "change", "measures"), [
    ("c1", lambda c: 0.5 * c.c1, (_errors._any_solver, _errors._fixed_point, _errors._conjugate)),
    ("c3", lambda c: 0.1 * c.c3, (_errors._any_solver, _errors._fixed_point, _errors._iterative)),
    ("q", lambda c: c.q**2, (_errors._fixed_point, _errors._iterative, _errors._adjoint_rate)),
    ("kappa", lambda c: np.maximum(1.0, c.kappa / 30), (_errors._conjugate,)),
])
def test_smaller_constants(monkeypatch, name, change, measures):
    right = pyblo.bounds.constants
    monkeypatch.setattr(pyblo.bounds, "constants", lambda *given, **rest: (
        lambda c: dataclasses.replace(c, **{name: change(c)}))(right(*given, **rest)))
    assert violated(_errors) >= texts(_errors, *measures)


def test_what_is_no_number_is_a_violation(monkeypatch):
    right = _errors.hypergradient

    def broken(*given, **rest):
        found = right(*given, **rest)
        return dataclasses.replace(found, grad=np.full_like(found.grad, np.nan))

    monkeypatch.setattr(_errors, "hypergradient", broken)
    assert violated(_errors) >= texts(_errors, _errors._iterative, _errors._fixed_point, _errors._conjugate)


# --- the command ---------------------------------------------------------------------------------------------------------


def invoke(*arguments):
    return CliRunner().invoke(cli.app(), arguments)


def test_verify_prints_tables():
    result = invoke("verify", "--problems", "7", "--seed", "3")
    assert result.exit_code == 0, result.output
    assert "000 Lemma C.1" in result.output and "002 Theorem 2.4" in result.output and "As printed" in result.output
    assert "7 problems of seed 3, 0 violations" in result.output and "All claims hold." in result.output


def test_verify_writes_the_curve_of_eq_5(tmp_path):
    result = invoke("verify", "--problems", "2", "--out", str(tmp_path / "a" / "b"))
    assert result.exit_code == 0, result.output
    written = {path.name for path in (tmp_path / "a" / "b").iterdir()}
    assert written >= {"verification.csv", "verification-as-printed.csv", "spectral-filters.csv", "spectral-filters.png"}
    lines = (tmp_path / "a" / "b" / "verification.csv").read_text().splitlines()
    assert len(lines) == 1 + len(_run.STATEMENTS) and lines[0].startswith("source,claim,compared,kappa,problems,worst,violations")


def test_a_violation_is_the_exit_status(monkeypatch):
    neumann = _responses.Neumann
    monkeypatch.setattr(_responses, "Neumann", lambda terms, step: neumann(terms + 1, step))
    result = invoke("verify", "--problems", "5")
    assert result.exit_code == 1 and "VIOLATIONS" in result.output and "Traceback" not in result.output


@pytest.mark.parametrize("option", ["--problems=0", "--seed=-1"])
def test_options_out_of_range(option):
    assert invoke("verify", option).exit_code == 2


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    result = invoke("verify", "--problems", "1", "--out", str(tmp_path / "file"))
    assert result.exit_code == 2 and str(tmp_path / "file") in result.output.replace("\n", "") and "Traceback" not in result.output


@pytest.mark.parametrize("name", ["typer", "rich", "matplotlib"])
def test_an_absent_package_is_no_violation(tmp_path, name):
    code = (f"import sys; sys.modules[{name!r}] = None; sys.argv = ['pyblo', 'verify', '--problems', '1', '--out', {str(tmp_path)!r}]\n"
            "from pyblo.__main__ import main; main()")
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and f"{name} is not installed" in done.stderr and "Traceback" not in done.stderr


def test_a_crash_is_no_violation(monkeypatch):
    def broken(*given, **rest):
        raise ValueError("operands could not be broadcast")

    monkeypatch.setattr(_outer, "affine_map", broken)
    result = invoke("verify", "--problems", "1")
    assert result.exit_code == 2 and "Traceback" in result.output and "operands could not be broadcast" in result.output


def test_the_help_says_what_the_status_means():
    text = " ".join(invoke("verify", "--help").output.replace("│", " ").split())
    assert "1 where one is violated, and 2 where nothing can be said" in text


def test_the_loaders_are_lazy():
    code = ("import sys, pyblo\nassert 'pyblo.verification' not in sys.modules and 'pyblo.bounds' not in sys.modules\n"
            "assert callable(pyblo.verification.verify) and 'pyblo.verification' in sys.modules")
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
