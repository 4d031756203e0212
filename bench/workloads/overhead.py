"""What one call costs: conjugate gradients for a single 10 × 10 system, and the import; each import is a new process."""
import subprocess
import sys

import numpy as np
import rivals
from case import Case
from measure import Entry

from workloads.data import spd_batch

IMPORTS = {"pyblo": "import pyblo", "pyblo.linalg.cg": "from pyblo.linalg import cg", "NumPy": "import numpy",
           "scipy.sparse.linalg": "import scipy.sparse.linalg", "JAX": "import jax", "nothing": "pass"}


def imported(statement):
    """Return an Entry that starts Python, runs one statement and ends."""
    return [Entry(lambda: subprocess.run([sys.executable, "-P", "-c", statement], check=True).returncode)]


def cases(scale):
    A, b = spd_batch(1, 10)
    A, b = A[0], b[0]
    yield Case("one 10 × 10 system, to 1e-10", rivals.builders("one_cg", A, b), {"what": "call"}, np.linalg.solve(A, b), unit="µs")
    yield Case("import, with the start of Python", {name: lambda s=s: imported(s) for name, s in IMPORTS.items()}, {"what": "import"})
