"""Run the campaigns and print their figures: python tests/campaigns/run.py [name …] [--count N] [--first SEED]."""

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the references and the generators lie beside the tests

COUNTS = {"bounds": 10_000, "exact": 10_000, "cg": 10_000, "cold_limits": 500, "derivatives": 500, "interrupts": 50,
          "threads": 100, "affine": 2000, "solution_concepts": 2000, "projections": 2000}


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare pyblo with exact references on many random problems.")
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"which to run of {', '.join(COUNTS)}; all where none is given"
    )
    parser.add_argument(
        "--count", type=int, help="problems of each, in place of " + ", ".join(f"{n} {c}" for n, c in COUNTS.items())
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    unknown = set(given.names) - set(COUNTS)
    if unknown:
        parser.error(f"no campaign is called {', '.join(sorted(unknown))}")
    return given


def main():
    """Run what was asked for; the number of violated checks is the exit status."""
    given = arguments()
    failed = []
    for name in given.names or COUNTS:
        start = time.perf_counter()
        count = COUNTS[name] if given.count is None else given.count
        tally = import_module(f"campaigns.{name}").campaign(count, given.first)
        print(f"\n{name}: {count} problems from seed {given.first}, {time.perf_counter() - start:.0f} s")
        print("\n".join(tally.table()), flush=True)
        failed += [f"{name}: {line}" for line in tally.failures()]
    print("\n" + ("\n".join(["VIOLATIONS", *failed]) if failed else "No violations."))
    return min(len(failed), 125)


if __name__ == "__main__":
    sys.exit(main())
