// What kernels report of each problem of a batch.
#pragma once
#include "pyblo/core/solve/cg.hpp"

namespace pyblo {

// The problems of a batch that are solved side by side
struct Group {
  index first;
  int live;
};

// How one solve or run ended
struct Outcome {
  int status = RUNNING;  // as it stays where nothing was done
  index steps = 0, products = 0;
  double residual = 0;
};

template <class T> Outcome outcome_of(const Report<T>& r, int l) {
  return {int(lane(r.status, l)), index(lane(r.steps, l)), index(lane(r.products, l)), double(lane(r.residual, l))};
}

}  // namespace pyblo
