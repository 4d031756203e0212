// The kernels of one instruction set. This folder is compiled once per set (CMakeLists.txt); dispatch.hpp chooses.
#pragma once
#include "gram.hpp"
#include "linear.hpp"
#include "projections.hpp"
#include "single.hpp"
#include "steps.hpp"

namespace pyblo {

template <class R> struct RealKernels {
  LinearKernels<R> linear;
  SingleKernels<R> single;
  StepKernels<R> steps;
  GramKernels<R> gram;
  ProjectionKernels<R> projections;
};

struct Kernels {
  const char* name;
  RealKernels<float> f4;
  RealKernels<double> f8;

  template <class R> const RealKernels<R>& of() const {
    if constexpr (sizeof(R) == 4)
      return f4;
    else
      return f8;
  }
};

}  // namespace pyblo
