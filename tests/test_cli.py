"""The command line."""

import functools
import subprocess
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import pyblo
from pyblo import __main__ as cli
from pyblo.experiments import EXPERIMENTS, Experiment, antidistillation


def invoke(*arguments):
    return CliRunner().invoke(cli.app(), arguments)


@pytest.fixture
def quick(monkeypatch):
    """The antidistillation experiment with few methods, under its name."""
    quick_run = functools.partial(antidistillation.run, terms=(2,), eps=(1e6,), sweep=5)
    module = SimpleNamespace(**{**vars(antidistillation), "run": quick_run})
    monkeypatch.setattr(Experiment, "load", lambda self: module)


def test_version():
    result = invoke("--version")
    assert (result.exit_code, result.output) == (0, f"pyblo {pyblo.__version__}\n")


def test_list():
    result = invoke("list")
    assert result.exit_code == 0
    assert all(name in result.output and experiment.description in result.output for name, experiment in EXPERIMENTS.items())


def test_no_arguments_help():
    result = invoke()
    assert "reproduce" in result.output and "list" in result.output


def test_reproduce(quick, tmp_path):
    result = invoke("reproduce", "antidistillation", "--out", str(tmp_path / "a" / "b"))
    assert result.exit_code == 0, result.output
    written = sorted((tmp_path / "a" / "b").iterdir())
    endings = ("-fits.csv", "-norms.csv", "-targets.csv", ".png")
    assert [path.name for path in written] == [f"antidistillation{ending}" for ending in endings]
    assert all(str(path) in result.output.replace("\n", "") for path in written)
    assert "15.2400" in result.output and "T = K + 1" in result.output.replace("\n", " ").replace("  ", " ")


def test_reproduce_writes_to_a_folder_of_its_own_by_default(quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert invoke("reproduce", "antidistillation").exit_code == 0
    assert (tmp_path / "pyblo-results" / "antidistillation.png").is_file()


def test_an_unknown_name_lists_the_known_ones():
    result = invoke("reproduce", "nothing")
    assert result.exit_code == 2
    assert "'nothing'" in result.output and all(name in result.output for name in EXPERIMENTS)


def test_a_folder_that_cannot_be_made(quick, tmp_path):
    (tmp_path / "file").touch()
    result = invoke("reproduce", "antidistillation", "--out", str(tmp_path / "file"))
    assert result.exit_code == 1 and str(tmp_path / "file") in result.output and "Traceback" not in result.output


def test_an_absent_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = invoke("reproduce", "antidistillation", "--out", str(tmp_path))
    assert result.exit_code == 1 and "matplotlib is not installed" in result.output and "pyblo[plot,cli,data]" in result.output


def test_without_typer(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "typer", None)
    for command, status in (("list", 1), ("reproduce", 1), ("verify", 2)):
        monkeypatch.setattr(sys, "argv", ["pyblo", command])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr().err
        assert ended.value.code == status and "typer is not installed" in said and "pyblo[plot,cli,data]" in said


def test_as_a_module():
    run = functools.partial(subprocess.run, capture_output=True, text=True, timeout=60)
    done = run([sys.executable, "-P", "-m", "pyblo", "--version"])
    assert (done.returncode, done.stdout) == (0, f"pyblo {pyblo.__version__}\n")


def test_modules_load_without_the_extras():
    code = ("import sys\nfor name in ('matplotlib', 'typer', 'rich', 'sklearn'): sys.modules[name] = None\n"
            "import pyblo.datasets, pyblo.plotting, pyblo.__main__\n"
            "from pyblo.experiments import antidistillation, ridge_parkinson\n"
            "pyblo.datasets.parkinsons(); antidistillation.run(terms=(2,), eps=(), sweep=2)")
    assert subprocess.run([sys.executable, "-P", "-c", code], timeout=60).returncode == 0
