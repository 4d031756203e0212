"""The picture of `pyblo.experiments.ridge_parkinson`."""
import numpy as np

from ..plotting import COLORS, figure, legend, styled

__all__ = ["draw"]

FEATURE, GRID = "L-BFGS-B, per feature", "grid on validation"
LINES = {GRID: COLORS["grey"], "L-BFGS-B, one penalty": COLORS["sky"], FEATURE: COLORS["orange"],
         "cold start, per feature": COLORS["purple"]}


@styled
def draw(result):
    """Return the figure."""
    chart, (left, middle, right) = figure(3, (12.5, 4.6), width_ratios=(1.05, 1, 0.9))
    _errors(left, result)
    _penalties(middle, result)
    _objective(right, result)
    return chart


def _errors(axes, result):
    places = np.arange(len(result.methods))[::-1]
    for key, label, shift, color, marker in (("validation_mse", "validation", 0.13, COLORS["blue"], "o"),
                                             ("test_mse", "test", -0.13, COLORS["red"], "s")):
        values = [result.values(name, key) for name in result.methods]
        spread = [each.std(ddof=1) if each.size > 1 else 0.0 for each in values]
        axes.errorbar([each.mean() for each in values], places + shift, xerr=spread, fmt=marker, ms=5, color=color, elinewidth=1.1,
                      capsize=2, label=label)
    axes.set(yticks=places, yticklabels=[_broken(name) for name in result.methods], title="Error by method",
             xlabel=f"mean squared error ± deviation, {result.settings.splits} splits")
    axes.grid(axis="y", visible=False)
    axes.set_xlim(left=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, -0.13), ncols=2)


def _broken(name):
    return name.replace(", ", ",\n").replace("on training +", "on\ntraining +")


def _penalties(axes, result):
    values = np.log10([trial.penalties for trial in result.trials[FEATURE]])
    single = np.log10(result.values(GRID, "penalties")[:, 0])
    order = np.argsort(-np.median(values, axis=0), kind="stable")
    places = np.arange(order.size)
    axes.axvspan(*np.quantile(single, [0.25, 0.75]), color=COLORS["grey"], alpha=0.25, lw=0)
    axes.axvline(np.median(single), color=COLORS["grey"], lw=1.4, label="grid (quartiles shaded)")
    axes.plot(values[:, order], np.broadcast_to(places, values.shape), "o", ms=3, color=COLORS["orange"], alpha=0.45, mew=0)
    axes.plot(np.median(values, axis=0)[order], places, "|", ms=8, mew=1.8, color=COLORS["black"],
              label="per feature: median of the dots")
    low, high = np.log10(result.settings.limits)
    axes.set(yticks=places, xlabel=f"log₁₀ λ  (bounds {low:g} and {high:g})", title="Learned penalties, L-BFGS-B")
    axes.set_yticklabels([result.feature_names[k] for k in order], fontsize=7)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.13), ncols=2, columnspacing=1.2)


def _objective(axes, result):
    for name, color in LINES.items():
        objective = np.asarray(result.trials[name][0].objective)
        best = np.minimum.accumulate(objective)
        axes.plot(np.arange(1, best.size + 1), best, color=color, label=name)
        axes.plot(best.size, best[-1], "o", color=color)
    axes.set(xscale="log", xlabel="evaluations", ylabel="least F so far", title=f"Objective, split {result.settings.seed}")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.2 * (high - low))
    legend(axes, loc="upper right", borderaxespad=0.0, handlelength=1.2)
