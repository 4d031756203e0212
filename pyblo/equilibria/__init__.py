"""Where the algorithms arrive, and what they should: solutions of bilevel problems in closed form, and their residuals (MATH §5)."""
from ..result import Equilibrium
from .cold import cold_start, cold_start_residual
from .optimistic import optimistic, optimistic_residual
from .pessimistic import pessimistic, pessimistic_residual, worst_case

__all__ = [
    "Equilibrium", "cold_start", "cold_start_residual", "optimistic", "optimistic_residual", "pessimistic", "pessimistic_residual",
    "worst_case",
]
