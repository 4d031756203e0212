// Linear solves over a batch: conjugate gradients, the Neumann series, gradient descent. Arrays are C-contiguous.
#pragma once
#include <atomic>
#include <mutex>

#include "pyblo/host/buffer.hpp"
#include "pyblo/host/outcome.hpp"

namespace pyblo {

// Symmetric systems A x = b, of which the lower triangles are read. A stride of zero shares one matrix among all.
template <class R> struct Systems {
  const R *a, *b;
  index count, n, stride;
  double max_asymmetry;  // of |a_ij − a_ji| over the largest |a_ij|: beyond it a matrix is refused
};

// What is said of each system, (count,) each, and of all: how asymmetric the worst of the refused matrices is
struct Answers {
  int* status;
  index* steps;
  double* residual;
  std::atomic<double>& asymmetry;

  void refuse(double ratio) const {
    for (double worst = asymmetry; ratio > worst && !asymmetry.compare_exchange_weak(worst, ratio);) {}
  }
};

// A vector per problem, for the few problems that have one: memory is taken when the first asks for it
template <class R> class Evidence {
 public:
  Evidence(index count, index n) : count_(count), n_(n) {}
  R* of(index k) {
    std::call_once(once_, [&] { memory_ = Zeros(count_ * n_ * index(sizeof(R))); });
    return reinterpret_cast<R*>(memory_.data()) + k * n_;
  }
  const R* data() const { return reinterpret_cast<const R*>(memory_.data()); }  // null where there is none

 private:
  index count_, n_;
  std::once_flag once_;
  Zeros memory_;
};

// Where a limit is given, a system whose step·‖A‖∞ is not below it is left alone, its status RUNNING: λmax ≤ ‖A‖∞ does not tell
// whether the recurrence converges.

// Gradient descent on ½xᵀAx − bᵀx: with tol ≥ 0 until ‖Ax − b‖ ≤ tol·max(1, its first value)
struct DescentCall {
  const double* steps;  // (count,)
  double momentum;
  bool nesterov;
  index times;
  double tol;
  double limit = 0;
};

template <class R> struct LinearKernels {
  // x (count, n) holds the starts unless from_zero, then the solutions; evidence gets the directions of INDEFINITE
  void (*cg)(const Systems<R>&, Stop, bool from_zero, R* x, const Answers&, Evidence<R>&, Pulse&);
  void (*neumann)(const Systems<R>&, const double* steps, index terms, double limit, R* x, const Answers&, Pulse&);
  void (*descend)(const Systems<R>&, const DescentCall&, R* x, const Answers&, Pulse&);
};
template <class R> LinearKernels<R> linear_kernels();

}  // namespace pyblo
