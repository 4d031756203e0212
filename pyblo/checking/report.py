"""What check_problem says."""
import html
from dataclasses import dataclass

__all__ = ["Check", "ProblemReport"]


@dataclass(frozen=True)
class Check:
    """One property of one method; error (≤ tolerance on success) is relative to the size of what was compared."""

    name: str
    method: str
    success: bool
    error: float = 0.0
    tolerance: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class ProblemReport:
    """What check_problem found on a problem of this class: all checks, and what was not judged, with the reason."""

    problem: str
    checks: tuple
    skipped: tuple = ()

    @property
    def success(self):
        """Whether no check failed."""
        return not self.failures

    @property
    def failures(self):
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.success)

    def __bool__(self):
        return self.success

    def __str__(self):
        failed, count = len(self.failures), len(self.checks)
        lines = [f"{self.problem}: " + (f"{failed} of {count} checks failed" if failed else f"all {count} checks passed")]
        for check in self.checks:
            numbers = f" (deviation {check.error:.2g}, tolerance {check.tolerance:.2g})" if check.error else ""
            if check.message:
                lines.append(f"  {'note' if check.success else 'FAILED'}: {check.method}, {check.name}: {check.message}{numbers}")
        return "\n".join(lines + [f"  not checked: {what}" for what in self.skipped])

    def _repr_html_(self):
        def row(tag, *cells):
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        checks = sorted(self.checks, key=lambda check: check.success)
        rows = [row("td", c.method, c.name, "ok" if c.success else "failed", f"{c.error:.2g}", f"{c.tolerance:.2g}", c.message)
                for c in checks]
        rows += [row("td", "", "", "not checked", "", "", what) for what in self.skipped]
        head = row("th", "method", "check", "", "deviation", "tolerance", "message")
        return f"<table><caption>{html.escape(str(self).splitlines()[0])}</caption>{head}{''.join(rows)}</table>"
