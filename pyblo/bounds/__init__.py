"""How far an approximate hypergradient is from the exact one: constants and bounds (paper 002; MATH §7)."""
from ._constants import Constants, constants

from ._errors import aid, aid_cg, aid_fixed_point, itd


from ._rates import cg_rate, gradient_rate, heavy_ball, heavy_ball_rate, nesterov, nesterov_rate, optimal_step, rate
from ._smoothness import Smoothness, smoothness

__all__ = ["Constants", "Smoothness", "aid", "aid_cg", "aid_fixed_point", "cg_rate", "constants",
           "gradient_rate", "heavy_ball", "heavy_ball_rate", "itd", "nesterov",
           "nesterov_rate", "optimal_step", "rate", "smoothness"]
