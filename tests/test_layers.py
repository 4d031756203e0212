"""Who may know whom: the direction of the layers, read from the imports and the includes.

C++: ``core <- host <- bind`` and ``core <- device``; host and device never meet. The core includes only itself, and
std headers only in ``core/std.hpp``. Python: the small modules know nothing above them, ``problem <- problems``, one
door each to the compiled modules and to CuPy, and nothing under the roofs.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Which of our layers a C++ layer may include, and which headers of others (a pattern for the name in <>).
CPP_LAYERS = {
    "core": {"core"},
    "host": {"core", "host"},
    "device": {"core", "device"},
    "bind": {"core", "host", "bind"},
}
STD = r"(?!cuda|nvrtc|cblas|lapack|omp\b)(sys/)?[a-z_0-9]+(\.h)?"  # the standard library and the system
CPP_OTHERS = {
    "core": r"(?!)",  # nothing
    "host": STD,
    "device": r"cuda[a-z_0-9/]*(\.h)?|cooperative_groups\.h",
    "bind": STD + r"|pybind11/.*",
}
STD_DOOR = "core/std.hpp"

# The modules at the bottom, from below: each may import those before it, and nothing else of ours.
BOTTOM = ("status", "_report", "_namespace", "methods", "inner", "result", "spectral")
COMPILED = {"_core", "_device", "_blas"}  # imported by _dispatch only
CUPY = {"cupy", "cupyx", "cupy_backends"}
ROOFS = {"experiments", "plotting", "verification", "__main__"}


def includes(path):
    """The included names, with their quote or bracket in front."""
    return re.findall(r'^\s*#\s*include\s*([<"][^>"]+)[>"]', path.read_text(), re.MULTILINE)


def layer_of(name, path, root):
    """The layer of ours that `name`, quoted in `path`, is in; None when it is not ours."""
    for base in (path.parent, root / "csrc"):
        target = (base / name).resolve()
        if target.is_relative_to(root / "csrc/pyblo") and target.is_file():
            return target.relative_to(root / "csrc/pyblo").parts[0]
    return name.split("/")[1] if name.startswith("pyblo/") and name.count("/") > 1 else None


def cpp_violations(root):
    root = root.resolve()
    for path in sorted((root / "csrc/pyblo").rglob("*")):
        if path.suffix not in {".hpp", ".cpp", ".cuh", ".cu"}:
            continue
        where = path.relative_to(root / "csrc/pyblo").as_posix()
        layer = where.split("/")[0]
        for include in includes(path):
            ours, name = layer_of(include[1:], path, root), include[1:]
            if ours is not None:
                if ours not in CPP_LAYERS.get(layer, set()):
                    yield f"{where} includes {name}: {layer} may not know {ours}"
            elif not re.fullmatch(STD if where == STD_DOOR else CPP_OTHERS.get(layer, STD), name):
                yield f"{where} includes {name}: not for {layer}"


def imports(path, package):
    """The modules and names that `path` imports, absolutely named, wherever in the file; `package` holds the file."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            if getattr(node.func, "attr", getattr(node.func, "id", "")) in {"import_module", "__import__"}:
                name = node.args[0].value
                yield package + name if name.startswith(".") else name


def forbidden(module, imported):
    """Why `module` of pyblo may not import `imported`, a module of pyblo or CuPy; None when it may."""
    if imported in CUPY:
        return None if module in {"_namespace", "_device"} else "only _namespace and _device know CuPy"
    if imported in COMPILED and module != "_dispatch":
        return "only _dispatch knows the compiled modules and the device"
    if imported in ROOFS and module not in ROOFS:
        return "nothing imports a roof"
    if module in BOTTOM and imported != module and imported not in BOTTOM[: BOTTOM.index(module)]:
        return "it stands above"
    if (module, imported) == ("problem", "problems"):
        return "problem <- problems"
    if module == "problems" and imported == "bounds":
        return "problems <- bounds"
    return None


def python_violations(root):
    modules = {path.name.removesuffix(".py") for path in (root / "pyblo").iterdir()} | COMPILED
    for path in sorted((root / "pyblo").rglob("*.py")):
        parts = path.relative_to(root / "pyblo").with_suffix("").parts
        for name in imports(path, ".".join(("pyblo", *parts[:-1]))):
            first, _, rest = name.partition(".")
            inner = rest.split(".")[0]
            # "pyblo" itself stands for a name of the package.
            imported = inner if first == "pyblo" and inner in modules else first
            if imported in modules | CUPY | {"pyblo"} and (reason := forbidden(parts[0], imported)):
                yield f"pyblo/{'/'.join(parts)}.py imports {name}: {reason}"


def test_cpp_layers():
    assert list(cpp_violations(ROOT)) == []


def test_python_layers():
    assert list(python_violations(ROOT)) == []


@pytest.mark.parametrize(("file", "line", "ok"), [
    ("core/solve/cg.hpp", "#include <vector>", False),
    ("core/solve/cg.hpp", "#include <pybind11/pybind11.h>", False),
    ("core/solve/cg.hpp", '#include "pyblo/host/pool.hpp"', False),
    ("core/solve/cg.hpp", '#include "../../host/pool.hpp"', False),
    ("core/solve/cg.hpp", '#include "../types.hpp"', True),
    ("core/std.hpp", "#  include <math.h>", True),
    ("core/std.hpp", "#include <pybind11/pybind11.h>", False),
    ("host/batch.hpp", '#include "pyblo/core/types.hpp"', True),
    ("host/batch.hpp", '#include "pyblo/bind/arrays.hpp"', False),
    ("host/batch.hpp", '#include "../device/warp.cuh"', False),
    ("host/batch.hpp", "#include <Python.h>", False),
    ("host/batch.hpp", "#include <cblas.h>", False),
    ("host/batch.hpp", "#include <cuda_runtime.h>", False),
    ("host/batch.hpp", "#include <sys/mman.h>", True),
    ("device/batch.cu", '#include "pyblo/host/pool.hpp"', False),
    ("device/batch.cu", "#include <vector>", False),
    ("device/batch.cu", "#include <cuda_fp16.h>", True),
    ("bind/batch.cpp", '#include "pyblo/host/pool.hpp"', True),
    ("bind/batch.cpp", '#include "pyblo/device/warp.cuh"', False),
])
def test_a_planted_include_is_judged(tmp_path, file, line, ok):
    for name in ("core/types.hpp", "host/pool.hpp", "bind/arrays.hpp", "device/warp.cuh", file):
        path = tmp_path / "csrc/pyblo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    path.write_text(f"// a file\n{line}\n")
    assert (list(cpp_violations(tmp_path)) == []) == ok


@pytest.mark.parametrize(("file", "line", "ok"), [
    ("methods.py", "from . import problem", False),
    ("methods.py", "import pyblo", False),
    ("methods.py", "import numpy", True),
    ("methods.py", "from .inner import ClosedForm", False),
    ("inner.py", "from .methods import CG", True),
    ("result.py", "from .status import Status", True),
    ("result.py", "from . import _report", True),
    ("_report.py", "from .status import Status", True),
    ("_report.py", "from .result import History", False),
    ("_report.py", "from . import plotting", False),
    ("spectral.py", "from pyblo.methods import CG", True),
    ("status.py", "from .result import Result", False),
    ("problem.py", "from .problems.quadratic import Quadratic", False),
    ("problems/quadratic.py", "from ..problem import Problem", True),
    ("problems/quadratic.py", "from ..bounds import Smoothness", False),
    ("bounds/_smoothness.py", "from ..problem import Problem", True),
    ("problems/quadratic.py", "from .. import _core", False),
    ("linalg.py", "from ._core import cg", False),
    ("linalg.py", "import importlib; importlib.import_module('pyblo._device')", False),
    ("_dispatch.py", "from . import _blas, _core", True),
    ("linalg.py", "def f():\n    import cupy", False),
    ("linalg.py", "import cupy.linalg", False),
    ("linalg.py", "from cupyx.scipy import sparse", False),
    ("_namespace.py", "import cupy", True),
    ("linalg.py", "from pyblo.plotting import figure", False),
    ("linalg.py", "from .experiments import antidistillation", False),
    ("equilibria.py", "from .verification import verify", False),
    ("__main__.py", "from .experiments import antidistillation", True),
    ("__main__.py", "from . import verification", True),
    ("verification/_run.py", "from ..experiments import Table", True),
    ("experiments/antidistillation.py", "from .. import plotting, linalg", True),
])
def test_a_planted_import_is_judged(tmp_path, file, line, ok):
    for name in ("methods.py", "inner.py", "result.py", "_report.py", "status.py", "problem.py", "problems/quadratic.py",
                 "bounds/_smoothness.py", "plotting.py", "verification/_run.py", "linalg.py", "experiments/antidistillation.py", file):
        path = tmp_path / "pyblo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    path.write_text(line + "\n")
    assert (list(python_violations(tmp_path)) == []) == ok
