"""A problem of your own: logistic regression with one log penalty per feature, tuned by SciPy through its hypergradient."""
import numpy as np
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from scipy.special import expit

import pyblo


class Logistic(pyblo.Problem):
    """f = mean log(1 + exp(−y Xw)) + ½wᵀdiag(exp u)w,  F = mean log(1 + exp(−y′X′w))."""

    def __init__(self, X, y, X_val, y_val):
        self.X, self.X_val = y[:, None] * X, y_val[:, None] * X_val  # the labels ±1 go into the rows
        self.outer_shape = self.inner_shape = (X.shape[1],)
        self.dtype = self.X.dtype

    outer_shape = inner_shape = dtype = None

    def inner_gradient(self, u, w):
        return -self.X.T @ expit(-self.X @ w) / len(self.X) + np.exp(u) * w

    def hessian(self, u, w):
        s = expit(self.X @ w)
        weights = s * (1 - s) / len(self.X)
        apply = lambda v: self.X.T @ (weights * (self.X @ v)) + np.exp(u) * v
        return LinearOperator((w.size, w.size), matvec=apply, rmatvec=apply, dtype=w.dtype)

    def cross(self, u, w):
        return aslinearoperator(np.diag(np.exp(u) * w))

    def outer_value(self, u, w):
        return np.mean(np.logaddexp(0, -self.X_val @ w))

    def outer_gradients(self, u, w):
        return np.zeros_like(u), -self.X_val.T @ expit(-self.X_val @ w) / len(self.X_val)


def main():
    """Tune the penalties on a third of the Parkinson data and print the validation loss before and after."""
    data = pyblo.datasets.parkinsons()
    X, y = (data.X - data.X.mean(0)) / data.X.std(0), 2.0 * data.y - 1
    problem = Logistic(X[::3], y[::3], X[1::3], y[1::3])
    inner = pyblo.GradientDescent(step=0.15, momentum=0.9, nesterov=True, tol=1e-9)  # converges for penalties up to e
    objective = pyblo.value_and_grad(problem, method=pyblo.CG(), inner=inner)
    start = np.full(22, -2.0)
    result = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(-6, 1)] * 22, options={"maxiter": 20})
    print(f"validation loss {objective(start)[0]:.4f} -> {result.fun:.4f} in {result.nfev} evaluations")


if __name__ == "__main__":
    main()
