"""Bilevel optimization with quadratic and linear-model inner problems: fast, and honest about its results.

The names below are the whole public interface; each loads its module when it is first used.
"""
import lazy_loader

__version__ = "0.1.0"

_submodules = ["bounds", "datasets", "dynamics", "equilibria", "linalg", "plotting", "verification"]
_names = {
    "checking": ["Check", "ProblemReport", "check_problem"],
    "algorithms": ["cold_start", "warm_start"],
    "hypergradient": ["Prepared", "hypergradient", "prepare", "value_and_grad"],
    "inner": ["ClosedForm", "GradientDescent", "Proximal"],
    "methods": ["CG", "Damped", "Exact", "FixedPoint", "Identity", "Neumann", "Unrolled"],
    "operators": ["BatchedOperator"],
    "problem": ["Problem"],
    "problems.biased": ["BiasedRidge"],
    "problems.quadratic": ["Quadratic"],
    "problems.regression": ["Ridge"],
    "problems.target": ["TargetLearning"],
    "problems.user": ["FixedPointMap", "FunctionProblem"],
    "result": ["BilevelResult", "History", "HypergradientResult", "SolveInfo"],
    "status": ["Status"],
    "threads": ["get_num_threads", "set_num_threads"],
}
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, _submodules, _names)
