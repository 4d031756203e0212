"""The claims of papers 000 and 002 on random problems: each against something that does not rest on it; `pyblo verify`."""
from ._blocks import BLOCK, draw
from ._result import LIMIT, Claim, Printed, Verification
from ._run import csv, instance, tables, verify

__all__ = ["BLOCK", "LIMIT", "Claim", "Printed", "Verification", "csv", "draw", "instance", "tables", "verify"]
