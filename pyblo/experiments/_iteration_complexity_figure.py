"""The picture of `pyblo.experiments.iteration_complexity`."""
import numpy as np

from ..plotting import COLORS, figure, legend, styled

__all__ = ["draw"]

LOOKS = {"GD": (COLORS["blue"], "o"), "Nesterov": (COLORS["orange"], "s"), "SGD": (COLORS["green"], "^")}


@styled
def draw(result):
    """Return the figure."""
    chart, panels = figure(4, (14.0, 3.9))
    _courses(panels[0], result, "strongly convex", ("κ",))
    panels[0].set(title="Strongly convex, against κ", xlabel="condition number κ", xscale="log",
                  ylabel=f"steps to E‖w − w*‖² ≤ {result.accuracy:g}")
    _courses(panels[1], result, "strongly convex", ("log(1/ε)", "1/ε"), digits=True)
    panels[1].set(title=f"Strongly convex, κ = {result.condition:g}", xlabel="digits log₁₀(1/ε)", ylabel="steps to E‖w − w*‖² ≤ ε")
    _courses(panels[2], result, "convex", ("1/ε",))
    panels[2].set(title="Convex", ylabel="steps to E[f − f*] ≤ ε")
    _courses(panels[3], result, "non-convex", ("1/ε",))
    panels[3].set(title="Neither: f = ½log(1 + w²)", ylabel="steps to min E‖∇f‖² ≤ ε")
    for axes in panels[2:]:
        axes.set(xlabel="1/ε", xscale="log")
    for axes in panels:
        axes.set_yscale("log")
        axes.minorticks_off()
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.42)  # room for the legend
        legend(axes, loc="upper left", title="measured exponent (of the bound)", alignment="left", handlelength=1.4, borderaxespad=0.2)
    return chart


def _courses(axes, result, setting, variables, digits=False):
    for each in result.courses:
        if each.setting != setting or each.variable not in variables:
            continue
        at = each.at if each.variable != "log(1/ε)" else np.exp(each.at)
        color, marker = LOOKS[each.algorithm]
        axes.plot(np.log10(at) if digits else at, each.steps, marker, ls="-", lw=1.2, ms=4.5, color=color,
                  label=f"{each.algorithm}: {each.exponent:.2f} ({each.expected:g}) in {each.variable}")
