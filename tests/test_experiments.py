"""The experiments: golden values by independent arithmetic, honest splits, and the files that they write."""

import csv
import dataclasses
import functools
import inspect
import io
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from flint import arb, arb_mat, ctx

import pyblo
from pyblo import plotting
from pyblo.experiments import EXPERIMENTS, antidistillation, need, ridge_parkinson, spectral_filters

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
# ‖u‖² of the paper's task, to four digits: the pseudoinverse, then by terms and by ε
GOLDEN = {None: 4.0, 2: 15.2400, 11: 13.7599, 101: 8.6363, 1001: 6.3811, 1e4: 6.4948, 1e5: 8.8754, 1e6: 13.1943, 1e7: 15.1079}


@pytest.fixture(scope="module")
def task():
    calls = []
    result = antidistillation.run(lambda *call: calls.append(call), sweep=25)
    assert [call[0] for call in calls] == list(range(10)) and {call[1] for call in calls} == {9}
    return result


@pytest.fixture(scope="module")
def ridge():
    calls = []
    result = ridge_parkinson.run(lambda *call: calls.append(call), splits=2, penalties=(1e-2, 1e2, 5), folds=3, maxiter=40)
    assert [call[0] for call in calls] == list(range(15)) and {call[1] for call in calls} == {14}
    return result


FIXTURES = {"antidistillation": "task", "ridge-parkinson": "ridge"}
QUICK = {  # settings that make an experiment quick, by its name
    "antidistillation-damped": {"eps": (1e6, 1e7), "sweep": 9}, "antidistillation-cg": {"iterations": (1, 2, 3, 7, 21)},
    "antidistillation-reciprocal": {"terms": (51,), "inner_step": 0.01, "eps": (1.0,), "sweep": 9},
    "antidistillation-underparameterized": {"terms": (101,), "eps": (1.0,), "sweep": 9},
    "solution-concepts": {"starts": 1, "samples": 40, "maxiter": 300}, "hypergradient-error": {"draws": 2, "counts": (1, 61, 7)},
    "phase-diagram": {"steps": (1, 60, 6), "terms": (1, 60, 7), "outer_steps": (1e-1, 1e1, 40)},
    "iteration-complexity": {"conditions": (10.0, 100.0, 5), "convex": (1e-1, 1e-3, 6), "chains": 20, "modes": 40,
                             "nonconvex_stochastic": (3e-2, 5e-3, 5)},
}


@functools.cache
def quick_result(name):
    calls = []
    result = EXPERIMENTS[name].load().run(lambda *call: calls.append(call), **QUICK.get(name, {}))
    assert [call[0] for call in calls] == list(range(len(calls))) and {call[1] for call in calls} == {len(calls) - 1}
    return result


@pytest.fixture
def result(name, request):
    return request.getfixturevalue(FIXTURES[name]) if name in FIXTURES else quick_result(name)


def exact_norms(terms=None, eps=None):
    """‖u*‖² and ‖w*‖² in intervals of 400 digits (1001 terms widen them).

    P has rank one, so u* = s v with v = ΦRφₒ, w* = Φ⁺u* and φₒᵀw* = 2.
    """
    ctx.dps = 400
    phi = [[arb(1), *(arb(2) ** (10 - l) * f(l * x) for f in (arb.cos, arb.sin) for l in range(1, 11))]
           for x in [arb(i) / 3 - 2 for i in range(13)] + [arb(0)]]
    Phi, out = arb_mat(phi[:13]), arb_mat(phi[13:]).transpose()
    G, b = Phi * Phi.transpose(), Phi * out
    one = arb_mat([[arb(int(i == j)) for j in range(13)] for i in range(13)])
    if terms is not None:  # α Σ (I − αG)^j b
        v, alpha = arb_mat(13, 1), arb("1e-7")
        for _ in range(terms):
            v = v + (b - G * v) * alpha
    else:
        v = (G if eps is None else G + one * arb(eps)).solve(b)
    w = Phi.transpose() * G.solve(v)
    s = 2 / (out.transpose() * w)[0, 0]
    return tuple(float((s * s * (z.transpose() * z)[0, 0]).mid()) for z in (v, w))


def test_golden_values_to_the_printed_digits(task):
    found = {run.parameter: run for run in task.runs}
    assert set(found) == set(GOLDEN)
    for parameter, norm in GOLDEN.items():
        run = found[parameter]
        pairs = [run.limit, *run.loops.values()]
        assert [f"{pair.u @ pair.u:.4f}" for pair in pairs] == [f"{norm:.4f}"] * len(pairs)
        assert all(loop.success for loop in run.loops.values())
        assert max(run.deviation(route) for route in run.loops) < 1e-10
        assert len(run.loops) == (1 if parameter is None else 2)


def test_golden_values_by_interval_arithmetic(task):
    for run in task.runs:
        norms = exact_norms(**{{"Neumann": "terms", "damped": "eps"}[run.label]: run.parameter} if run.parameter else {})
        np.testing.assert_allclose([run.limit.u @ run.limit.u, run.limit.w @ run.limit.w], norms, rtol=1e-10)


def test_sweeps_shrink_the_targets_and_every_limit_fits(task):
    assert (np.diff(task.neumann.u) < 0).all() and (np.diff(task.damped.u) > 0).all()
    assert task.neumann.parameter[[0, -1]].tolist() == [1, 10**6]
    np.testing.assert_allclose(task.neumann.u[-1], 4.0, rtol=1e-2)
    assert all(run.limit.fun < 1e-20 for run in task.runs)
    middle = np.argmin(np.abs(task.grid))
    np.testing.assert_allclose([run.fit[middle] for run in task.runs], 2.0)


def test_paper_settings_are_the_defaults():
    default = {name: parameter.default for name, parameter in inspect.signature(antidistillation.run).parameters.items()}
    paper = {"terms": (2, 11, 101, 1001), "eps": (1e4, 1e5, 1e6, 1e7), "inner_step": 1e-7, "outer_step": 1e-2, "points": 13,
             "interval": (-2.0, 2.0), "original": (0.0, 2.0), "harmonics": 10, "amplitudes": "exponential"}
    assert {name: default[name] for name in paper} == paper


def test_reciprocal_amplitudes():
    result = antidistillation.run(terms=(2,), eps=(), inner_step=1e-3, amplitudes="reciprocal", sweep=2, eps_range=(1.0, 10.0))
    np.testing.assert_allclose([run.limit.fun for run in result.runs], 0, atol=1e-20)


def test_a_limit_that_does_not_exist_is_said(monkeypatch):
    nowhere = pyblo.equilibria.Equilibrium(None, None, np.nan, pyblo.Status.DIVERGED, "there is no limit")
    monkeypatch.setattr(pyblo.equilibria, "cold_start", lambda *arguments, **keywords: nowhere)
    with pytest.raises(ValueError, match="Exact.*there is no limit"):
        antidistillation.run(terms=(), eps=(), sweep=2)
    sweep = antidistillation._sweep(antidistillation.task(3, (-2.0, 2.0), (0.0, 2.0), 2, "reciprocal").problem, [1, 2], [None, None])
    assert np.isnan(sweep.u).all() and np.isnan(sweep.w).all()


def test_experiments_run_without_a_listener(ridge):
    quiet = ridge_parkinson.run(splits=1, penalties=(1e-2, 1e2, 2), folds=2, maxiter=3)
    assert set(quiet.trials) == set(ridge.trials) and all(len(trials) == 1 for trials in quiet.trials.values())


def test_the_largest_deviation_between_two_values_or_at_one():
    # |r₁/r₂ − 1| = 1 − log²λ has its top at λ = 1, between the samples
    class Filter:
        def __init__(self, response):
            self.filter = response

    bump, one = Filter(lambda x: 2 - (np.log(x)) ** 2), Filter(np.ones_like)
    where, size = spectral_filters.largest_deviation(bump, one, np.array([0.5, 0.8, 1.3, 2.0]))
    assert abs(where - 1) <= 1e-5 and abs(size - 1) <= 1e-10
    flat = Filter(lambda x: np.where(x == 1.0, 3.0, 1.0))  # a peak that no search finds: the sample itself is returned
    assert spectral_filters.largest_deviation(flat, one, np.array([0.5, 1.0, 2.0])) == (1.0, 2.0)


def parsed(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_antidistillation_csv(task):
    files = {stem: parsed(text) for stem, text in antidistillation.csv(task).items()}
    assert set(files) == {"antidistillation-norms", "antidistillation-targets", "antidistillation-fits"}
    u = [float(row["target"]) for row in files["antidistillation-targets"] if row["parameter"] == "101"]
    assert u == task.of("Neumann")[2].limit.u.tolist()
    sources = [row["source"] for row in files["antidistillation-norms"]]
    assert (sources.count("closed form"), sources.count("iterate loop")) == (9, 8)
    assert sources.count("closed form, sweep") == task.neumann.u.size + task.damped.u.size


def test_ridge_csv(ridge):
    files = {stem: parsed(text) for stem, text in ridge_parkinson.csv(ridge).items()}
    assert len(files["ridge-parkinson"]) == 2 * len(ridge.methods)
    assert len(files["ridge-parkinson-penalties"]) == 2 * 22 * (len(ridge.methods) - 1)
    counted = sum(len(trial.objective) for trials in ridge.trials.values() for trial in trials)
    assert len(files["ridge-parkinson-objective"]) == counted


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_figures_are_drawn_and_leave_matplotlib_alone(name, result, tmp_path):
    import matplotlib
    from matplotlib.image import imread

    assert matplotlib.rcParams["backend"]  # resolved before it is copied
    before = matplotlib.rcParams.copy()
    charts = EXPERIMENTS[name].load().figures(result)
    assert list(charts) == [name]
    plotting.save(charts[name], tmp_path / "chart.png")
    pixels = imread(tmp_path / "chart.png")[..., :3]
    assert pixels.shape[1] > 1000 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    assert 0.005 < np.mean(pixels.min(axis=-1) < 0.9) < 0.5
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert edges.min() == 1.0  # nothing is cut off
    assert matplotlib.rcParams == before


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_tables(name, result):
    table = EXPERIMENTS[name].load().table(result)
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert all(isinstance(cell, str) for row in table.rows for cell in row) and table.caption
    assert dataclasses.is_dataclass(result) and type(result).__dataclass_params__.frozen


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_csv_files(name, result):
    files = EXPERIMENTS[name].load().csv(result)
    assert files and all(stem.startswith(name) and parsed(text) for stem, text in files.items())


@pytest.mark.parametrize("seed", range(5))
def test_splits_are_by_subject_and_label(seed):
    data = pyblo.datasets.parkinsons()
    masks = ridge_parkinson.split(data.y, data.subject, seed)
    assert (np.sum(masks, axis=0) == 1).all()
    people = [set(data.subject[mask]) for mask in masks]
    assert sum(map(len, people)) == 32 and not people[0] & people[1] and not people[1] & people[2] and not people[0] & people[2]
    ill = [len({who for who in part if data.y[data.subject == who][0]}) for part in people]
    assert ill == [8, 8, 8] and sorted(len(part) - 8 for part in people) == [2, 3, 3]
    again = ridge_parkinson.split(data.y, data.subject, seed)
    assert all((one == other).all() for one, other in zip(masks, again, strict=True))


def test_standardised_on_the_training_part_alone():
    data = pyblo.datasets.parkinsons()
    part = ridge_parkinson.standardised(data, ridge_parkinson.split(data.y, data.subject, 0))
    np.testing.assert_allclose(part.train.X.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(part.train.X.std(axis=0), 1)
    assert abs(part.train.y.mean()) < 1e-12 and abs(part.validation.X.mean(axis=0)).max() > 0.05
    assert set((part.test.y + part.offset).round(12)) == {-1.0, 1.0}


def test_penalty_is_alpha_over_n_of_scikit_learn():
    from sklearn.linear_model import Ridge

    data = pyblo.datasets.parkinsons()
    part = ridge_parkinson.standardised(data, ridge_parkinson.split(data.y, data.subject, 0))
    model = Ridge(alpha=0.3 * len(part.train.y), fit_intercept=False).fit(part.train.X, part.train.y)
    np.testing.assert_allclose(part.problem("scalar").inner_solution([np.log(0.3)]), model.coef_, rtol=1e-9)


def test_trials_tell_what_was_optimised(ridge):
    grid, feature = (ridge.trials[name] for name in ("grid on validation", "L-BFGS-B, per feature"))
    for one, many in zip(grid, feature, strict=True):
        np.testing.assert_allclose([one.validation_mse, many.validation_mse], [2 * min(one.objective), 2 * min(many.objective)])
        assert one.evaluations == 5 and many.validation_mse < one.validation_mse
        assert ((many.penalties >= 0.99e-5) & (many.penalties <= 1.01e5)).all()
    assert np.isnan(ridge.values("RidgeCV on training + validation", "validation_mse")).all()


@pytest.mark.parametrize(("test_errors", "says"), [
    ((0.5, 0.51, 0.52), "They win on the test error too."), ((0.7, 0.71, 0.72), "They lose on the test error"),
    ((0.5, 0.6, 0.71), "They do not win on the test error"),
])
def test_the_verdict_follows_the_numbers(ridge, test_errors, says):
    def planted(name, errors):
        return tuple(dataclasses.replace(ridge.trials[name][0], test_mse=error) for error in errors)

    one, many = "grid on validation", "L-BFGS-B, per feature"
    settings = dataclasses.replace(ridge.settings, splits=3)
    result = dataclasses.replace(ridge, settings=settings, trials={one: planted(one, (0.6,) * 3), many: planted(many, test_errors)})
    assert says in ridge_parkinson.verdict(result)


def test_an_absent_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ModuleNotFoundError, match=r"sklearn is not installed.*pip install 'pyblo\[plot,cli,data\]'"):
        ridge_parkinson.run()
    with pytest.raises(ModuleNotFoundError, match="sklearn is not installed"):
        need("sklearn.no_such_module_was_imported")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(path, capsys):
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


def test_example_values(capsys):
    runpy.run_path(str(EXAMPLES[0].with_name("antidistillation.py")))
    lines = capsys.readouterr().out.splitlines()
    assert [line.count(norm) for line, norm in zip(lines, ("4.0000", "8.6363", "8.8754"), strict=True)] == [2, 2, 2]
