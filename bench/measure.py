"""Timing: rivals in turn within one run, medians with their spread."""
import statistics
import time

__all__ = ["Timing", "compete"]


class Timing:
    """Seconds of several runs of one contestant."""

    def __init__(self):
        self.seconds = []

    @property
    def median(self):
        """The median, in seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self):
        """The range from the fastest to the slowest run, relative to the median."""
        return (max(self.seconds) - min(self.seconds)) / self.median


def compete(contestants, rounds):
    """Return {name: (Timing, result)} of callables run in turn, `rounds` times after one run to warm up."""
    timings = {name: Timing() for name in contestants}
    results = {name: run() for name, run in contestants.items()}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            results[name] = run()
            timings[name].seconds.append(time.perf_counter() - start)
    return {name: (timings[name], results[name]) for name in contestants}
