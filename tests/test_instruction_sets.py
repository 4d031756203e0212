"""Kernels per instruction set: the same bits with AVX2 and with AVX-512, baseline's own whatever the batch, how one is chosen, and that no
code of a wider set can run where it was not chosen (the linker's trap: one copy of a template for all)."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import test_determinism as determinism
from compiled import levels

import pyblo
from pyblo import _dispatch

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build/dev"
NAMES = ("baseline", "avx2", "avx512")


@pytest.fixture(autouse=True)
def restored():
    """The instruction set that was in use before."""
    before = _dispatch.instruction_set()
    yield
    _dispatch.select_instruction_set(before)


@pytest.fixture(scope="module", params=determinism.DTYPES)
def workloads(request):
    return determinism.workloads(request.param)


# --- which one ----------------------------------------------------------------------------------------------------------


def test_the_widest_of_the_cpu_is_in_use():
    names = _dispatch.instruction_sets()
    assert names[0] == "baseline" and tuple(names) == tuple(name for name in NAMES if name in names)
    if len(names) > 1:  # a build with all of them: those of the CPU as the kernel tells them
        assert names == list(levels())
    _dispatch.select_instruction_set("")
    assert _dispatch.instruction_set() == names[-1]
    for name in names:
        _dispatch.select_instruction_set(name)
        assert _dispatch.instruction_set() == name


@pytest.mark.parametrize("name", ["sse9", "AVX2", " avx2", "avx", "native"])
def test_an_unknown_one_is_refused_and_nothing_changes(name):
    before = _dispatch.instruction_set()
    with pytest.raises(ValueError, match="was not built or is not had here; there are " + ", ".join(_dispatch.instruction_sets())):
        _dispatch.select_instruction_set(name)
    assert _dispatch.instruction_set() == before


def in_a_process(**environment):
    """What a process prints for its instruction set and a solve, or the last line of its stderr."""
    code = """import numpy as np, pyblo
from pyblo import _dispatch
A = np.random.default_rng(0).standard_normal((5, 9, 9))
print(_dispatch.instruction_set(), pyblo.linalg.cg(A @ np.swapaxes(A, 1, 2), np.ones(9))[0].tobytes().hex())"""
    clean = {name: value for name, value in os.environ.items() if name != "PYBLO_ISA"}
    clean["PYTHONPATH"] = str(Path(pyblo.__file__).parents[1])
    result = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, env=clean | environment)
    return result.stdout.split() or result.stderr.strip().splitlines()[-1]


def test_the_environment_chooses():
    A = np.random.default_rng(0).standard_normal((5, 9, 9))
    for name in _dispatch.instruction_sets():
        _dispatch.select_instruction_set(name)
        expected = pyblo.linalg.cg(A @ np.swapaxes(A, 1, 2), np.ones(9))[0].tobytes().hex()
        assert in_a_process(PYBLO_ISA=name) == [name, expected]
    assert in_a_process()[0] == in_a_process(PYBLO_ISA="")[0] == _dispatch.instruction_sets()[-1]
    assert "'sse9' was not built or is not had here; there are baseline" in in_a_process(PYBLO_ISA="sse9")


# --- bits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_avx2_and_avx512_have_the_same_bits(workloads):
    if len(_dispatch.instruction_sets()) < 3:
        pytest.skip("this CPU or this build has no AVX-512")
    found = {}
    for name in ("avx2", "avx512"):
        _dispatch.select_instruction_set(name)
        found[name] = {label: call() for label, call in workloads.items()}
    assert [label for label in workloads if found["avx2"][label] != found["avx512"][label]] == []


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("name", NAMES)
def test_threads_change_no_bit_of_any(name, workloads):
    if name not in _dispatch.instruction_sets():
        pytest.skip(f"this CPU or this build has no {name}")
    _dispatch.select_instruction_set(name)
    assert determinism.differing(workloads, 1, (3,)) == []


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("name", NAMES[:-1])  # the widest is what test_determinism runs
@pytest.mark.parametrize("dtype", determinism.DTYPES)
def test_the_batch_changes_no_bit_of_any(name, dtype):
    if name not in _dispatch.instruction_sets():
        pytest.skip(f"this CPU or this build has no {name}")
    _dispatch.select_instruction_set(name)
    for solver in determinism.SOLVERS:
        determinism.assert_same_systems(solver, dtype, [(n, 17) for n in (1, 2, 3, 4, 5, 8, 13, 16, 33, 64, 130)] + [(312, 5), (442, 5)])
    for kind, route, form in determinism.CASES:
        determinism.assert_same_problems(kind, route, form, dtype, ((5, 3, 9), (34, 9, 5)))
    for algorithm in (pyblo.cold_start, pyblo.warm_start):
        for kind in determinism.KINDS:
            determinism.assert_same_runs(kind, "iterate", "neumann", algorithm, dtype, ((5, 3, 9),))


@pytest.mark.parametrize("dtype", determinism.DTYPES)
def test_baseline_differs_by_rounding_only(dtype):
    # Without fma a product is rounded before it is added: other bits, the same numbers.
    systems = determinism.Systems.random(12, 24, dtype, finite=True)[::8]
    found = []
    for name in _dispatch.instruction_sets():
        _dispatch.select_instruction_set(name)
        found.append(pyblo.linalg.neumann(systems.A, systems.b, terms=8, step=systems.step).astype(float))
    for other in found[1:]:
        assert np.abs(other - found[0]).max() <= 50 * np.finfo(dtype).eps * np.abs(found[0]).max()


# --- the linker's trap --------------------------------------------------------------------------------------------------


def built(path):
    """A file of the build tree of `make dev`, where this test runs the package that was built there."""
    if not (BUILD / path).exists() or not shutil.which("nm") or not shutil.which("objdump"):
        pytest.skip("no build tree of `make dev`, or no binutils")
    return BUILD / path


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout


# 512-bit or mask registers, 256-bit registers, and AVX's encoding at all: no other instruction of programs begins with v
PATTERNS = (r"%zmm|%k[0-7]\b", r"%ymm", r"\n\s+v[a-z]")


@cache
def has_avx(path):
    """How often an object has each of the patterns."""
    code = run("objdump", "-d", "--no-show-raw-insn", "--no-addresses", path)
    return tuple(len(re.findall(pattern, code)) for pattern in PATTERNS)


@pytest.mark.parametrize("name", NAMES)
def test_kernels_show_one_symbol_only(name):
    # All else is local: no copy of a template of the standard library in here can stand in for that of another object.
    lines = [line.split() for line in run("nm", built(f"kernels_{name}.o")).splitlines()]
    shown = [line[-1] for line in lines if line[-2] != "U" and (line[-2].isupper() or line[-2] in "uvwi")]
    assert shown == [f"_ZN5pyblo{len(name)}{name}5tableE"]
    assert len(lines) > 100  # there is something that could have been shown


def test_only_the_kernels_of_a_set_use_its_instructions():
    wide, narrow, any_avx = has_avx(built("kernels_avx512.o"))
    assert wide > 1000
    assert has_avx(built("kernels_avx2.o"))[0] == 0 and has_avx(built("kernels_avx2.o"))[1] > 1000
    assert has_avx(built("kernels_baseline.o")) == (0, 0, 0)
    objects = [built("CMakeFiles/_core.dir") / f"{source.relative_to(ROOT)}.o" for folder in ("bind", "host")
               for source in sorted((ROOT / "csrc/pyblo" / folder).glob("*.cpp"))]
    assert len(objects) > 8
    assert {path.name: has_avx(path) for path in objects if has_avx(path) != (0, 0, 0)} == {}


def test_the_module_has_no_avx_but_that_of_the_kernels():
    # The linker moves code and changes none: as many instructions of each kind as the objects have together.
    module = built(Path(_dispatch._core.__file__).name)
    parts = [has_avx(built(f"kernels_{name}.o")) for name in NAMES]
    assert has_avx(module) == tuple(map(sum, zip(*parts, strict=True)))


def test_nothing_is_compiled_for_the_machine_at_hand_and_nothing_is_reassociated():
    commands = built("build.ninja").read_text()
    assert "-ffp-contract=off" in commands
    for flag in ("-march=", "-mtune=native", "-ffast-math", "-Ofast", "-funsafe-math", "-fassociative-math", "-flto"):
        assert flag not in commands
