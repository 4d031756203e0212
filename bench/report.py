"""Reports: one run as Markdown, and the measured section of docs/performance.md from the latest runs."""
import json
from pathlib import Path

import goals
import limits
import workloads
from tables import case_rows, markdown, notes

__all__ = ["fill", "latest", "run_report", "shown"]

RUNS = 3
BEGIN, END = "<!-- results: begin (python -P bench report) -->", "<!-- results: end -->"
NOTE = """Times are medians with quartiles. A ratio is the median, with quartiles, of a rival's time divided by that of pyblo's run that
followed it. The error is the worst ‖x − x*‖ / ‖x*‖ against a reference in longdouble, or in float64 refined by longdouble
residuals. The roofline is the time the machine needs for the operations as FMAs or for reading every input once, whichever is longer;
the cache-aware one also reads a triangle of the matrix from the cache in every iteration."""


def machine_rows(run):
    """Return table rows that describe the machine and the run."""
    machine, settings = run["machine"], run["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    processor = f"{machine['processor']}, family {machine['family']}, model {machine['model']}" + ", virtual" * machine["virtual"]
    rows = [("what", "value"), ("date", run["date"]), ("processor", processor), ("threads", str(settings["threads"])),
            ("instruction sets", ", ".join(machine["instruction_sets"])),
            ("L1 data, L2", f"{machine['cache_L1'] >> 10} KiB, {machine['cache_L2'] >> 10} KiB"),
            ("memory", f"{machine['memory_GiB']} GiB"), ("Python", machine["python"]), ("versions", versions),
            ("BLAS", ", ".join(machine["blas"])), ("compiler", machine["compiler"]),
            ("rounds", f"{settings['rounds']}, at most {settings['budget']:g} s per pair")]
    if run.get("stolen") is not None:
        rows.append(("CPU time taken by neighbours", f"{run['stolen']:.1%}"))
    return rows + ([("scale", f"{settings['scale']:g}: shrunk, for trying only")] if settings["scale"] != 1 else [])


def shown(results, level=2):
    """Return the tables of the results as Markdown."""
    parts, before = [], None
    for case in results:
        if case["workload"] != before:
            before = case["workload"]
            parts.append(f"{'#' * level} {before}\n\n{workloads.load(before).__doc__.strip()}")
        parts += [f"**{case['label']}**", markdown(case_rows(case)), *notes(case)]
    return "\n\n".join(parts)


def run_report(run):
    """Return the Markdown report of one run."""
    return "\n\n".join([
        "# pyblo and its rivals", markdown(machine_rows(run)), NOTE, "## Goals", markdown(goals.rows([run["goals"]])),
        "## Limits of the machine", "Best of a measurement before the workloads and one after them.", markdown(limits.rows(run["limits"])),
        shown(run["results"]), ""])


def latest(folder):
    """Return the complete runs of the latest date and machine class, the last three of them, oldest first, as (name, run)."""
    found = []
    for path in Path(folder).glob("*.json"):
        run = json.loads(path.read_text())
        if run.get("complete"):
            found.append((path.stem, run))
    if not found:
        raise SystemExit(f"no complete run in {folder}: run `make bench` first")
    found.sort(key=lambda pair: pair[1]["date"])
    day, kind = (found[-1][1][key] for key in ("date", "machine"))
    return [(name, run) for name, run in found if run["date"][:10] == day[:10] and run["machine"]["class"] == kind["class"]][-RUNS:]


def fill(page, folder):
    """Write the measured section of `page` from the latest runs in `folder`."""
    runs = latest(folder)
    last = runs[-1][1]
    names = ", ".join(f"[{name}](../bench/results/{name}.md)" for name, _ in runs)
    pictures = sorted(path.name for path in Path(folder).glob(f"{last['date'][:10]}-{last['machine']['class']}*growth*.png"))
    parts = [f"Runs: {names}. The tables below, other than that of the goals, are of the last.", markdown(machine_rows(last)),
             "### Goals", markdown(goals.rows([goals.check(run["results"]) for _, run in runs])),
             "### Limits of the machine", markdown(limits.rows(last["limits"])), shown(last["results"], level=3)]
    if pictures:
        parts += ["### How cost grows", *(f"![How cost grows](../bench/results/{name})" for name in pictures)]
    text = Path(page).read_text()
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{page}: has no section between {BEGIN!r} and {END!r}")
    before, rest = text.split(BEGIN, 1)
    Path(page).write_text("\n\n".join([before + BEGIN, *parts, END + rest.split(END, 1)[1]]))
