"""One ridge penalty per feature, tuned by L-BFGS-B with exact hypergradients on the packaged data."""
import numpy as np
from scipy.optimize import minimize

import pyblo

X, y, subject, names = pyblo.datasets.parkinsons()
person = np.unique(subject, return_inverse=True)[1]
train, validation = person % 3 == 0, person % 3 == 1  # by subject: the recordings of one person are alike
X = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
target = 2.0 * y - 1.0 - np.mean(2.0 * y[train] - 1.0)

problem = pyblo.Ridge(X[train], target[train], X[validation], target[validation])  # u = log λ, one per feature
start = np.zeros(problem.outer_shape)
found = minimize(pyblo.value_and_grad(problem), start, jac=True, method="L-BFGS-B", bounds=[(-10, 10)] * start.size)

print(f"validation loss: {problem.outer_value(start, problem.inner_solution(start)):.4f} -> {found.fun:.4f} "
      f"after {found.nfev} hypergradients: {found.message}")
for k in np.argsort(found.x)[:5]:
    print(f"  λ = {np.exp(found.x[k]):8.1e}  {names[k]}")
