"""How far an approximate hypergradient is from the exact one: constants and bounds (paper 002; MATH §7)."""
from ._constants import Constants, constants, rate
from ._descent import gradient_mapping, inexact_descent, lipschitz, schedule
from ._errors import aid, aid_cg, aid_fixed_point, itd
from ._planning import Plan, plan
from ._posterior import a_posteriori
from ._rates import cg_rate, gradient_rate, heavy_ball, heavy_ball_rate, nesterov, nesterov_rate, optimal_step
from ._smoothness import Smoothness, smoothness

__all__ = ["Constants", "Plan", "Smoothness", "a_posteriori", "aid", "aid_cg", "aid_fixed_point", "cg_rate", "constants",
           "gradient_mapping", "gradient_rate", "heavy_ball", "heavy_ball_rate", "inexact_descent", "itd", "lipschitz", "nesterov",
           "nesterov_rate", "optimal_step", "plan", "rate", "schedule", "smoothness"]
