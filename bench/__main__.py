"""`make bench`: each workload of this folder, pyblo beside its rivals in one run."""
import os
import platform
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import warm_start  # noqa: E402  (the threads of BLAS are set before NumPy is imported)

WORKLOADS = {"warm_start": warm_start}


def main(names):
    """Run the named workloads, or all of them, and print their tables."""
    unknown = set(names) - set(WORKLOADS)
    if unknown:
        sys.exit(f"unknown workload {', '.join(sorted(unknown))}; there are: {', '.join(WORKLOADS)}")
    print(f"Python {platform.python_version()}, {platform.machine()}, one thread")
    for name in names or WORKLOADS:
        module = WORKLOADS[name]
        rows = module.run()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        print(f"\n{module.__doc__}")
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


if __name__ == "__main__":
    main(sys.argv[1:])
