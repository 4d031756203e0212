"""`python -P bench [names]`: pyblo beside its rivals, workload by workload, with the limits of the machine measured in the same run.

`python -P bench gpu` does the same on a GPU, for batches.
`python -P bench growth` draws how cost grows; `python -P bench report` fills docs/performance.md from the latest complete runs.
"""
import argparse
import sys
from pathlib import Path

import settings

HERE = Path(__file__).resolve().parent
WORDS = ("growth", "report", "limits", "gpu")


def arguments():
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -P bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="workloads, all where none is named; or one of: " + ", ".join(WORDS))
    cpus = len(settings.available())
    parser.add_argument("--threads", type=int, default=min(2, cpus), help="for every contestant (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=11, help="runs of each pair, fewer where the budget ends (default: %(default)s)")
    parser.add_argument("--budget", type=float, default=8.0, help="seconds for each pair (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the data, for trying the benchmarks (default: 1)")
    parser.add_argument("--tag", default="", help="goes into the name of the report")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the reports (default: bench/results)")
    return parser.parse_args()


def main():
    options = arguments()
    if options.names == ["gpu"]:
        settings.use_gpu()
        import gpu

        gpu.run(options)
        return
    settings.fix_threads(options.threads)
    if options.names == ["report"]:
        import report

        report.fill(HERE.parent / "docs" / "performance.md", options.out)
        return
    import run  # NumPy, JAX and pyblo are imported from here on

    if options.names in (["growth"], ["limits"]):
        getattr(run, options.names[0])(options)
        return
    unknown = set(options.names) - set(run.NAMES)
    if unknown:
        sys.exit(f"unknown workload {', '.join(sorted(unknown))}; there are: {', '.join((*run.NAMES, *WORDS))}")
    run.workloads(options)


if __name__ == "__main__":
    main()
