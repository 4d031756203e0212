"""The CUDA kernels: run on the CPU by an emulator, compiled where there is NVRTC, and run where there is a GPU."""

import importlib.util
import os
import subprocess
import sys

import pytest
from compiled import ROOT, assert_complete, built_and_run, levels

DEVICE = ROOT / "tests/device"


def script(name, *arguments):
    command = [sys.executable, "-P", str(DEVICE / name), *map(str, arguments)]
    # without what the sanitizers preload: NVRTC's own libraries are not found under it
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def needs_nvrtc():
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("no CuPy")
    probe = "from cupy.cuda import nvrtc; nvrtc.getVersion()"
    if subprocess.run([sys.executable, "-P", "-c", probe], capture_output=True).returncode:
        pytest.skip("CuPy finds no NVRTC")


def test_an_emulated_warp_has_the_bits_of_one_core():
    flags = levels()
    widest = flags.get("avx2", flags["baseline"])
    code, lines, output = built_and_run({"warp": ("device/emulated.cpp", ["-O2", *widest])})["warp"]
    assert "divergence refused | missing sync seen" in output
    assert_complete(lines, output)
    assert code == 0, output
    assert len(lines) == 22, output


def test_nvrtc_compiles_the_kernels():
    needs_nvrtc()
    result = script("nvrtc_check.py")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(" kernels for sm_") == 3


def test_nvrtc_refuses_a_planted_error(tmp_path):
    needs_nvrtc()
    planted = tmp_path / "planted.cu"
    source = (ROOT / "csrc/pyblo/device/batch.cu").read_text()
    planted.write_text(source.replace("Pulse pulse;", "Pulse pulse; pulse.missing();", 1))
    result = script("nvrtc_check.py", planted)
    assert result.returncode == 1
    assert "missing" in result.stderr


def needs_gpu():
    needs_nvrtc()
    probe = "import cupy; raise SystemExit(not cupy.cuda.is_available())"
    if subprocess.run([sys.executable, "-P", "-c", probe], capture_output=True).returncode:
        pytest.skip("no GPU")
    if "avx2" not in levels():
        pytest.skip("this CPU has no fma to compare with")


@pytest.mark.gpu
def test_a_gpu_has_the_bits_of_one_core():
    needs_gpu()
    result = script("gpu_agreement.py", 10_000)
    assert result.returncode == 0, result.stdout + result.stderr
