"""Where the algorithms arrive, and what they should: solutions of bilevel problems in closed form, and their residuals (MATH §5)."""
from ..result import Equilibrium
from .cold import cold_start, cold_start_residual
from .descent import penalty_descent
from .optimistic import optimistic, optimistic_residual
from .penalty import value_function_penalty, value_function_penalty_residual
from .pessimistic import pessimistic, pessimistic_residual, worst_case
from .projections import AffineSet, HalfSpaces, cyclic_projections, dykstra, kaczmarz, project
from .warm import warm_start, warm_start_residual, warm_start_set

__all__ = [
    "AffineSet", "Equilibrium", "HalfSpaces", "cold_start", "cold_start_residual", "cyclic_projections", "dykstra", "kaczmarz",
    "optimistic", "optimistic_residual", "penalty_descent", "pessimistic", "pessimistic_residual", "project", "value_function_penalty",
    "value_function_penalty_residual", "warm_start", "warm_start_residual", "warm_start_set", "worst_case",
]
