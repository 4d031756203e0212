"""The same bits for a problem alone, in any lane beside any neighbours, and with any instruction set that has fma."""

import pytest
from compiled import assert_complete, built_and_run, levels

SIZES, COUNT = 130, 16  # what tests/core/bits.cpp does by default
LINEAR = ("cg to a tolerance", "cg a fixed number", "cg from x0", "cg normal", "neumann", "gradient fixed",
          "heavy ball fixed", "nesterov fixed", "gradient until", "heavy ball until", "nesterov until")
BILEVEL = ("reverse quadratic", "forward quadratic", "reverse ridge", "forward ridge", "reverse biased", "forward biased",
           "cold quadratic cg", "warm quadratic reverse", "warm ridge neumann", "warm biased cg", "cold ridge reverse")


@pytest.fixture(scope="module")
def programs():
    """One program per instruction set, each with its own widths of pack; and scalar code built as in the package."""
    found = levels()
    widths = dict(zip(found, ("4", "8", "16"), strict=False))
    widths[list(found)[-1]] = ", ".join(("4", "8", "16")[len(found) - 1 :])
    jobs = {name: ("core/bits.cpp", ["-O2", *flags, f"-DPYBLO_LANES={widths[name]}"]) for name, flags in found.items()}
    jobs["package"] = ("core/bits.cpp", ["-O3", *found[list(found)[-1]], "-DPYBLO_LANES="])
    return built_and_run(jobs)


def hashes(lines):
    return {key: line["hash"] for key, line in lines.items()}


@pytest.mark.parametrize("level", ["baseline", "avx2", "avx512"])
def test_a_lane_has_the_bits_of_the_problem_alone(programs, level):
    if level not in programs:
        pytest.skip(f"this CPU has no {level}")
    code, lines, output = programs[level]
    assert_complete(lines, output)
    assert code == 0, output
    for scalar in ("float", "double"):
        assert {name for kind, name in lines if kind == scalar} >= {*LINEAR, *BILEVEL}
        assert all(lines[scalar, name]["problems"] == SIZES * COUNT for name in LINEAR)


@pytest.mark.parametrize("scalar", ["float", "double"])
def test_the_reported_residual_is_the_true_one(programs, scalar):
    _, lines, output = programs["baseline"]
    for name in LINEAR:
        if name.startswith("cg") or name.endswith("until"):
            assert lines[scalar, name]["truthful"] == lines[scalar, name]["measured"] > SIZES * COUNT // 2, output


def test_avx2_and_avx512_have_the_same_bits(programs):
    if "avx512" not in programs:
        pytest.skip("this CPU has no avx512")
    assert hashes(programs["avx2"][1]) == hashes(programs["avx512"][1])


def test_optimisation_changes_no_bit(programs):
    widest = list(levels())[-1]
    assert hashes(programs["package"][1]) == hashes(programs[widest][1])
