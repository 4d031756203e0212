"""Habits of the tree that a reader would otherwise have to check by hand."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import pyblo

ROOT = Path(__file__).parents[1]
TEXT = {".py", ".pyi", ".pyx", ".hpp", ".cpp", ".cuh", ".cu", ".md", ".rst", ".toml", ".cff", ".sh", ".txt", ".ipynb"}
FOLDERS = ("csrc", "pyblo", "tests", "bench", "docs", "examples", ".ci")


def sources():
    """The text files of the project, this one apart: it names what it looks for."""
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in files:
        generated = {"include", "_build", "__pycache__"} & set(path.relative_to(ROOT).parts)
        if not generated and (path.suffix in TEXT or path.name in {"Makefile", "run"}) and path != Path(__file__):
            yield path


UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}


def dangers(source):
    """Calls of eval and exec, and imports of pickle and its kin, in Python `source`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}:
            yield node.func.id
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (name for name in names if name.split(".")[0] in UNSAFE)
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if getattr(node.value, "value", True) is not False:
                yield "allow_pickle"


def test_nothing_is_unpickled_or_evaluated():
    files = (ROOT / "pyblo").rglob("*.py")
    found = [f"{path.name}: {danger}" for path in files for danger in dangers(path.read_text())]
    assert found == []


@pytest.mark.parametrize("source", [
    "import pickle", "from pickle import loads", "import os, marshal", "eval('1')", "exec(code)",
    "numpy.load(f, allow_pickle=True)", "numpy.load(f, allow_pickle=flag)",
])
def test_a_planted_danger_is_found(source):
    assert list(dangers(source))


def test_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert citation is not None
    assert project == pyblo.__version__ == citation[1]


def leftovers(text):
    """What is left to do, and what needs OpenMP."""
    words = r"\b(?:TODO|FIXME|XXX)\b|#\s*pragma\s+omp|<omp\.h>|-fopenmp|find_package\(OpenMP"
    return re.findall(words, text)


def test_nothing_is_left_to_do_and_no_openmp():
    found = [f"{path.relative_to(ROOT)}: {word}" for path in sources() for word in leftovers(path.read_text())]
    assert found == []


@pytest.mark.parametrize("text", [
    "// TODO: faster", "#pragma omp parallel for", "#include <omp.h>", "find_package(OpenMP)",
])
def test_a_planted_leftover_is_found(text):
    assert leftovers(text)


def test_the_search_sees_the_sources():
    expected = ("Makefile", "pyproject.toml", "csrc/pyblo/host/blas_table.hpp", "pyblo/__init__.py", ".ci/run")
    assert {ROOT / name for name in expected} <= set(sources())
