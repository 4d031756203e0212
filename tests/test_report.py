"""Results as people read them: summaries, HTML, charts, and the texts of statuses."""
import dataclasses
import importlib
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

import pyblo
from pyblo import _report, experiments
from pyblo._report import Report
from pyblo.equilibria import Equilibrium
from pyblo.result import BilevelResult, History, HypergradientResult, SolveInfo


@pytest.fixture
def problem():
    return pyblo.Quadratic(np.diag([1.0, 2.0, 0.0]), -np.diag([1.0, 1.0, 0.0]), np.eye(3), f=[-1.0, 1.0, 0.5])


@pytest.fixture
def results(problem):
    loop = pyblo.cold_start(problem, np.ones(3))
    falling = pyblo.Quadratic(np.eye(2), -np.eye(2), np.diag([1.0, 0.0]), f=[0.0, 1.0])
    systems = np.stack([np.eye(2), -np.eye(2), np.diag([1.0, 0.0])])
    return {
        "hypergradient": pyblo.hypergradient(problem, np.ones(3), method=pyblo.CG()),
        "unrolled": pyblo.hypergradient(problem, np.ones(3), method=pyblo.Unrolled(3, mode="forward")),
        "loop": loop,
        "no history": pyblo.warm_start(problem, np.ones(3), maxiter=1, history=False),
        "unbounded": pyblo.cold_start(falling, np.ones(2)),
        "history": loop.history,
        "limit": pyblo.equilibria.cold_start(problem, np.ones(3)),
        "no limit": pyblo.equilibria.cold_start(falling, np.ones(2)),
        "one system": pyblo.linalg.cg(np.eye(2), np.ones(2))[1],
        "systems": pyblo.linalg.cg(systems, np.ones((3, 2)))[1],
        "no systems": pyblo.linalg.cg(np.ones((0, 2, 2)), np.ones((0, 2)))[1],
        "empty": BilevelResult(),
    }


def test_a_report_needs_rows():
    with pytest.raises(NotImplementedError):
        Report().summary()


@pytest.mark.parametrize("need", [_report.need, experiments.need])
def test_what_matplotlib_itself_lacks_is_named_as_it_is(need, monkeypatch):
    def lacking(module):
        raise ModuleNotFoundError("No module named 'PIL'", name="PIL")

    monkeypatch.setattr(importlib, "import_module", lacking)
    with pytest.raises(ModuleNotFoundError, match="PIL"):
        need("matplotlib")


class Table(HTMLParser):
    """Reads a table, and refuses tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.tags = [], [], set()
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        if tag in ("caption", "th", "td"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        assert self.open[-1] in ("caption", "th", "td")
        self.cells[-1] += data


def rows(text):
    """The rows of a summary: label -> text."""
    found, label = {}, None
    for line in text.splitlines()[2:]:
        if not line.startswith(" "):
            label = line.split("  ")[0]
            found[label] = line[len(label):].strip()
        else:
            found[label] += " " + line.strip()
    return found


@pytest.mark.parametrize("name", ["hypergradient", "unrolled", "loop", "no history", "unbounded", "history", "limit", "no limit",
                                  "one system", "systems", "no systems", "empty"])
def test_html_and_text_say_the_same(results, name):
    result = results[name]
    text = result.summary()
    assert all(len(line) <= 100 and line == line.rstrip() for line in text.splitlines())
    title, *cells = Table(result._repr_html_()).cells
    assert title == text.splitlines()[0]
    assert dict(zip(cells[::2], cells[1::2], strict=True)) == rows(text)


def test_a_hypergradient(results):
    result = results["hypergradient"]
    found = rows(result.summary())
    assert found["outer variable u"] == found["inner variable w"] == "3 numbers, float64"
    assert found["F(u, w)"] == f"{result.value:.6g}"
    assert found["‖dF/du‖"] == f"{np.linalg.norm(result.grad):.6g}"
    assert found["residual ‖Hq − g‖"] == f"{result.residual:.6g}"
    assert found["null component"] == f"{result.null_component:.6g} of ∂F/∂w lies outside the range of H"
    assert found["products with H"] == "2"
    assert found["status"] == "CONVERGED: success"
    assert found["message"] == result.message
    unrolled = rows(results["unrolled"].summary())
    assert unrolled["residual ‖Hq − g‖"] == "not computed for this method"
    assert unrolled["dF/dstep"] == f"{results['unrolled'].grad_step:.6g}" and "dF/dstep" not in found


def test_method_and_inner_solver_where_known(results):
    result = dataclasses.replace(results["hypergradient"], method=pyblo.Neumann(5), inner=pyblo.ClosedForm())
    found = rows(result.summary())
    assert found["method"] == "Neumann(terms=5, step=None)" and found["inner solver"] == "ClosedForm()"
    bare = dataclasses.replace(result, method=None, inner=None)
    assert "method" not in rows(bare.summary()) and "inner solver" not in rows(bare.summary())


def test_a_loop(results):
    loop = results["loop"]
    found, history = rows(loop.summary()), loop.history
    assert found["F(u, w)"] == f"{history.fun[0]:.6g} → {history.fun[-1]:.6g}"
    assert found["‖dF/du‖"] == f"{history.grad_norm[0]:.6g} → {history.grad_norm[-1]:.6g}"
    assert (found["outer steps"], found["products with H"]) == (str(loop.nit), str(loop.nhvp))
    assert found["last inner run"] == found["last adjoint solve"] == "COMPLETED: success"
    assert found["status"] == "CONVERGED: success" and found["message"] == loop.message
    cut = rows(results["no history"].summary())
    assert cut["status"] == "NOT_CONVERGED: failure" and pyblo.Status.NOT_CONVERGED.remedy in cut["message"]
    assert cut["F(u, w)"] == f"{results['no history'].fun:.6g}"
    assert pyblo.Status.UNBOUNDED.remedy in rows(results["unbounded"].summary())["message"]


def test_a_history(results):
    history = results["history"]
    found = rows(history.summary())
    assert found["pairs (u, w)"] == str(len(history.fun))
    assert found["way of u"] == f"{np.linalg.norm(history.u[-1] - history.u[0]):.6g}"
    assert "0" in History(np.zeros(0), np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2))).summary()


def test_an_equilibrium(results):
    limit = results["limit"]
    assert rows(limit.summary())["reached"] == f"for every outer step below {limit.max_step:.6g}"
    lost = rows(results["no limit"].summary())
    assert "reached" not in lost and "outer variable u" not in lost
    assert lost["F(u, w)"] == "-inf" and lost["status"] == "UNBOUNDED: failure"
    assert lost["certificate"] == "u moves for ever by 1 per unit of outer step along a fixed direction, mostly in component 1"


@pytest.mark.parametrize(("certificate", "words"), [
    ({"eigenvalue": -0.5 + 2j, "eigenvector": np.ones(2)}, "K has the eigenvalue -0.5+2j, with no positive real part"),
    ({"rank": (3, 2)}, "rank K = 3 but rank K² = 2"),
    ({"drift": np.array([0.0, -1.0])}, "u moves for ever along a fixed direction, mostly in component 1"),
    ({"bound": 3}, "bound = 3"),
])
def test_a_certificate_in_words(certificate, words):
    lost = Equilibrium(None, None, np.nan, pyblo.Status.DIVERGED, "Diverges.", certificate)
    assert rows(lost.summary())["certificate"].startswith(words)


def test_linear_systems(results):
    one, many = rows(results["one system"].summary()), rows(results["systems"].summary())
    assert one["systems"] == "1" and one["status"] == "CONVERGED: success"
    assert many["systems"] == "3" and many["residual ‖b − Ax‖"] == "0 … 1.41421 (3 values)"
    assert many["status"] == "1 CONVERGED (success), 1 INDEFINITE (failure), 1 INCONSISTENT (failure)"
    assert "1 of 3 systems succeeded" in many["message"] and "negative curvature" in many


def test_a_batch_of_hypergradients():
    status = np.array([1, 3])
    value, residual, products = np.array([1.0, np.nan]), np.array([0.0, 1.0]), np.array([3, 7])
    result = HypergradientResult(value, np.ones((2, 3)), np.ones((2, 4)), None, residual, None, status, "1 of 2", products)
    found = rows(result.summary())
    assert found["F(u, w)"] == "1 … 1 (2 values, 1 not finite)" and found["products with H"] == "3 … 7 (2 values)"
    assert found["status"] == "1 CONVERGED (success), 1 NOT_CONVERGED (failure)"
    assert found["outer variable u"] == "2 × 3 numbers, float64"


def test_html_is_escaped():
    evil = "</td><script>alert('&')</script>"
    info = SolveInfo(False, pyblo.Status.DIVERGED, 1, np.inf, None, evil)
    table = Table(info._repr_html_())
    assert evil in table.cells and "script" not in table.tags and "<script>" not in info._repr_html_()


def test_still_an_optimize_result(results):
    loop = results["loop"]
    assert loop["fun"] == loop.fun and "summary" not in loop and "nhvp:" in repr(loop)
    with pytest.raises(AttributeError):
        _ = loop.no_such_field


# --- charts -------------------------------------------------------------------------------------------------------------


def test_a_loop_is_drawn(results):
    loop = results["loop"]
    for axes in (loop.plot(), loop.history.plot()):
        right = axes.figure.axes[-1]
        assert right is not axes
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), np.arange(loop.nit + 1))
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), loop.history.fun)
        np.testing.assert_array_equal(right.lines[0].get_ydata(), loop.history.grad_norm)
        assert right.get_yscale() == "log" and axes.get_yscale() == "linear"
    with pytest.raises(ValueError, match="history=True"):
        results["no history"].plot()


def test_a_hypergradient_is_drawn(results):
    axes = results["hypergradient"].plot()
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), results["hypergradient"].grad)
    matrix = dataclasses.replace(results["hypergradient"], grad=np.arange(400.0).reshape(20, 20))
    np.testing.assert_array_equal(matrix.plot().lines[0].get_ydata(), np.arange(400.0))


def test_given_axes_are_used_and_pyplot_is_left_alone(results):
    import matplotlib
    from matplotlib.figure import Figure

    before = dict(matplotlib.rcParams)
    axes = Figure().subplots()
    assert results["hypergradient"].plot(axes) is axes and results["loop"].plot(ax=axes) is axes
    assert results["loop"].plot().figure is not axes.figure
    assert dict(matplotlib.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


@pytest.mark.parametrize("values", [
    [], [0.0], [1.0, 0.0], [1e300, np.inf, np.nan], [-1e308, 1e308], [1e-300, 1e-310], [1e10, 1.0, 1e-10],
])
def test_any_history_is_drawn_without_a_warning(values, tmp_path):
    values = np.array(values)
    rest = np.zeros((values.size, 1))
    for history in (History(values, np.abs(values), rest, rest), History(-values, np.abs(values), rest, rest)):
        history.summary()
        history.plot().figure.savefig(tmp_path / "chart.png", dpi=30)


def test_without_matplotlib(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in ("hypergradient", "loop", "history"):
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'pyblo\[plot\]'"):
            results[name].plot()
    assert results["loop"].summary() and results["loop"]._repr_html_()


# --- the texts of statuses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", pyblo.Status)
def test_a_status_has_cause_numbers_and_remedy(status):
    assert status.cause and status.success != bool(status.remedy)
    said = status.explain("residual 3")
    assert said.startswith(f"{status.cause} (residual 3)") and said.endswith(f"{status.remedy}." if status.remedy else ").")
    assert status.text == status.explain() and "(residual" not in status.text
    assert status.text == said.replace(" (residual 3)", "")
