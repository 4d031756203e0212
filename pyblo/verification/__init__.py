"""The claims of papers 000 and 002 on random problems, each against something that does not rest on it (`pyblo verify`)."""
from ._result import LIMIT, Claim, Printed, Verification
from ._run import csv, instance, tables, verify

__all__ = ["LIMIT", "Claim", "Printed", "Verification", "csv", "instance", "tables", "verify"]
