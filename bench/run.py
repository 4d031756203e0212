"""One run: the limits, the workloads, the limits again, and the files that tell of it."""
import datetime
import json
import time

import goals
import growth as curves
import limits as physical
import machine
import report
import workloads as houses
from case import play
from tables import case_rows, notes, plain

__all__ = ["NAMES", "growth", "limits", "workloads"]

NAMES = houses.NAMES


def stem(options, extra=""):
    """Return the name of a report: date, machine class, tag."""
    parts = [datetime.date.today().isoformat(), machine.machine_class(), options.tag, extra]
    return "-".join(part for part in parts if part)


def say(text):
    print(text, flush=True)


def limits(options):
    """Measure and print the limits alone."""
    say(plain(physical.rows(physical.measure(options.threads, options.scale))))


def growth(options):
    """Measure and draw how cost grows."""
    options.out.mkdir(parents=True, exist_ok=True)
    found = curves.measure(options.scale, say)
    path = options.out / stem(options, "growth")
    told = {"date": now(), "machine": machine.describe(options.threads), "scale": options.scale, "growth": found}
    path.with_name(path.name + ".json").write_text(json.dumps(told, indent=1))
    curves.draw(found, path.with_name(path.name + ".png"))
    say(f"{path.name}.json, {path.name}.png")


def now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def measured_limits(options):
    """Return the limits, or None with a word why not: the ratios do not need them."""
    try:
        return physical.measure(options.threads, options.scale)
    except (RuntimeError, OSError, ValueError) as error:
        say(f"limits not measured: {error}")
        return []


def played(name, limits, options):
    """Return the cases of one workload, measured, and print them."""
    house = houses.load(name)
    say(f"\n{name}: {house.__doc__.strip()}")
    found = []
    for case in house.cases(options.scale):
        start = time.perf_counter()
        told = play(case, limits, options.threads, options.rounds, options.budget)
        found.append({"workload": name, **told, "took": round(time.perf_counter() - start, 1)})
        say("\n".join(["", told["label"], plain(case_rows(told)), *notes(told)]))
    return found


def workloads(options):
    """Run the named workloads, or all, and write the report."""
    names = [name for name in NAMES if name in options.names] or list(NAMES)
    before = measured_limits(options)
    steal, ticks = machine.stolen()
    results = [case for name in names for case in played(name, before, options)]
    stolen, all_ticks = machine.stolen()
    after = measured_limits(options)
    found = physical.best(before, after) if len(before) == len(after) else before
    refer(results, found, options.threads)
    told = {"schema": 1, "date": now(), "complete": len(names) == len(NAMES) and options.scale == 1,
            "machine": machine.describe(options.threads), "stolen": (stolen - steal) / max(1, all_ticks - ticks),
            "settings": {key: getattr(options, key) for key in ("threads", "rounds", "budget", "scale", "tag")} | {"names": names},
            "limits": found, "limits_before": before, "limits_after": after, "results": results, "goals": goals.check(results)}
    write(told, options, "" if len(names) == len(NAMES) else "-".join(names))


def refer(results, limits, threads):
    """Refer bounds and fractions to the best limits of the run."""
    import roofline

    for case in results:
        work = roofline.Work(**case["work"]) if case["work"] else None
        case["bounds"] = roofline.bounds(work, limits, threads)
        for row in case["rows"]:
            if row["seconds"]:
                row["fraction"] = roofline.fractions(work, limits, threads, row["seconds"]["median"])


def write(told, options, extra):
    """Write the run as JSON and Markdown, and print goals and limits."""
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / stem(options, extra)
    path.with_name(path.name + ".json").write_text(json.dumps(told, indent=1))
    path.with_name(path.name + ".md").write_text(report.run_report(told))
    for title, rows in (("limits", physical.rows(told["limits"])), ("goals", goals.rows([told["goals"]]))):
        say(f"\n{title}\n{plain(rows)}")
    say(f"\n{path.name}.json, {path.name}.md")
