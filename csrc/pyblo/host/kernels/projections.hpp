// Cyclic projections, over a batch. Arrays are C-contiguous.
#pragma once
#include "pyblo/core/types.hpp"

namespace pyblo {

// A stride of zero shares the rows among all problems; history is null, or (count, max_cycles + 1, n)
template <class R> struct ProjectionCall {
  const R *a, *b;
  const unsigned char* half_space;
  index count, rows, n, a_stride, b_stride;
  bool corrected;
  double tol;
  index max_cycles;
  R *w, *moves, *history;  // (count, n), (count, rows)
  int* status;             // (count,) each
  index* cycles;
  double *moved, *apart;
};

template <class R> struct ProjectionKernels {
  void (*cyclic)(const ProjectionCall<R>&, Pulse&);
};
template <class R> ProjectionKernels<R> projection_kernels();

}  // namespace pyblo
