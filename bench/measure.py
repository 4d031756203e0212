"""Timing: contestants in turn within one run, each rival followed by pyblo; medians with quartiles, ratios of neighbours."""
import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Entry", "Measured", "compete", "quartiles"]

PAUSE = 0.03  # seconds between runs: pools that spin come to rest
COMPILING = 5.0  # seconds that a first call may take for that
SHORTEST = 0.02  # seconds; what is quicker is called several times per run


@dataclass(frozen=True)
class Entry:
    """One way to do the work. `run` does the share `share` of it; of several variants the fastest competes."""

    run: Callable
    variant: str = ""
    share: float = 1.0
    name: str | None = None  # competes under a name of its own
    before: Callable | None = None  # called before each run, outside the time
    timed: bool = False  # the result of `run` is its own time


@dataclass
class Measured:
    """Times in seconds for the whole work, ratios to the baseline's neighbouring run, processors kept busy, and the last result."""

    name: str
    entry: Entry | None
    seconds: list = field(default_factory=list)
    ratios: list = field(default_factory=list)
    processors: list = field(default_factory=list)
    result: object = None
    note: str = ""
    calls: int = 1

    def measure(self):
        """Run once more; return the seconds that the whole work would take."""
        run = self.entry.run
        if self.entry.before:
            self.entry.before()
        start, busy = time.perf_counter(), time.process_time()
        for _ in range(self.calls):
            self.result = run()
        taken = time.perf_counter() - start
        self.processors.append((time.process_time() - busy) / taken)
        seconds = taken / self.calls / self.entry.share
        if self.entry.timed:
            self.result, seconds = None, self.result
        time.sleep(PAUSE)
        return seconds


def quartiles(values):
    """Return {median, low, high} of a list: the median and the quartiles."""
    if len(values) < 2:
        return dict.fromkeys(("median", "low", "high"), values[0] if values else None)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "low": low, "high": high}


def explain(error):
    """Return one line about an exception."""
    text = str(error).strip().splitlines()
    return f"not available: {type(error).__name__}" + (f": {text[0][:160]}" if text else "")


def calls_in_a_run(entry, seconds):
    """Return how often to call what would take `seconds` for the whole work."""
    return max(1, math.ceil(SHORTEST / max(seconds * entry.share, 1e-9)))


def audition(name, build):
    """Return the Measured of each contestant that `build` makes: compiled, warm, and the fastest of its variants."""
    try:
        entries = build()
    except Exception as error:  # a rival that fails is a line of the report, not the end of it
        return [Measured(name, None, note=explain(error))]
    best, failures = {}, {}
    for entry in entries:
        title = entry.name or name
        try:
            found = Measured(title, entry)
            first = found.measure()  # compiles and warms up
            if title in best and first > 10 * best[title][0] + COMPILING:
                continue
            trial = found.measure()
        except Exception as error:
            failures[title] = Measured(title, None, note=explain(error))
            continue
        if not entry.timed:
            found.calls = calls_in_a_run(entry, trial)
            if found.calls > 1:  # one call alone takes longer than one of many
                found.calls = calls_in_a_run(entry, found.measure())
        if title not in best or trial < best[title][0]:
            best[title] = (trial, found)
    return [found for _, found in best.values()] + [found for title, found in failures.items() if title not in best]


def compete(builders, baseline, rounds, budget):
    """Return a list of Measured for {name: build}: each rival's run is followed by one of the baseline's, `rounds` times.

    A pair that would take more than `budget` seconds over all rounds gets fewer of them, three at the least.
    """
    found = [one for name, build in builders.items() for one in audition(name, build)]
    ours = next((one for one in found if one.name == baseline and one.entry), None)
    rivals = [one for one in found if one is not ours and one.entry]
    pairs = {id(one): count_rounds(one, ours, rounds, budget) for one in rivals}
    for one in found:
        one.processors.clear()  # those of the calls that compiled
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            for rival in (one for one in rivals if turn < pairs[id(one)]):
                rival.seconds.append(rival.measure())
                if ours:
                    ours.seconds.append(ours.measure())
                    rival.ratios.append(rival.seconds[-1] / ours.seconds[-1])
            if ours and not rivals:
                ours.seconds.append(ours.measure())
    finally:
        gc.enable()
    return found


def count_rounds(rival, ours, rounds, budget):
    """Return how many rounds of this pair fit into the budget."""
    pair = sum(one.measure() * one.entry.share * one.calls for one in (rival, ours) if one)
    return max(min(3, rounds), min(rounds, int(budget / (pair + 2 * PAUSE))))
