"""Tables of strings, for the terminal and in Markdown."""
__all__ = ["amount", "case_rows", "markdown", "notes", "plain", "ratio"]

UNITS = {"s": 1.0, "ms": 1e3, "µs": 1e6}


def plain(rows):
    """Return the rows as text in columns, the first of them a heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def markdown(rows):
    """Return the rows as a Markdown table, the first of them its heading."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def amount(value):
    """Return three significant digits without an exponent where that is readable."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio(found):
    """Return a ratio with its quartiles."""
    return f"{amount(found['median'])} ({amount(found['low'])}–{amount(found['high'])})" if found else ""


def case_rows(case):
    """Return one case as rows: contestant, time with quartiles, ratio to the baseline, error, fractions of the rooflines."""
    unit, factor = case["unit"], UNITS[case["unit"]]
    bounds = case["bounds"]
    heading = ["contestant", f"time, {unit} (quartiles)", f"time / {case['baseline']}", "error"]
    if bounds:
        heading += ["GFLOP/s", "of the roofline"] + (["cache-aware"] if "cache_aware" in bounds else [])
    rows = [tuple(heading)]
    for row in case["rows"]:
        rows.append((contestant(row), *(figures(row, case, factor) if row["seconds"] else ("–",))))
    return [row + ("",) * (len(heading) - len(row)) for row in rows]


def notes(case):
    """Return a line for each contestant that was not measured."""
    return [f"{row['name']}: {row['note'] or 'not measured'}" for row in case["rows"] if not row["seconds"]]


def contestant(row):
    """Return a contestant's name with the variant that competed."""
    return f"{row['name']} ({row['variant']})" if row["variant"] else row["name"]


def figures(row, case, factor):
    """Return the cells of a measured contestant, after its name."""
    seconds = row["seconds"]
    times = ratio({key: value * factor for key, value in seconds.items()})
    own = "1" if row["name"] == case["baseline"] else ratio(row["ratio"])
    cells = [times, own, "" if row["error"] is None else f"{row['error']:.1e}"]
    if case["bounds"]:
        cells += [amount(case["work"]["flops"] / seconds["median"] / 1e9), f"{row['fraction']['roofline']:.0%}"]
        cells += [f"{row['fraction']['cache_aware']:.0%}"] if "cache_aware" in case["bounds"] else []
    return tuple(cells)
