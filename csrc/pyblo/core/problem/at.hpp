// A problem at a fixed u: what the recurrences iterate on.
#pragma once
#include "../types.hpp"

namespace pyblo {

// G(u, ·) as a gradient(team, w, out)
template <class T, class P> struct InnerGradient {
  const P& problem;
  const T* cache;

  index madds() const { return problem.madds(); }
  template <class G, class V> void operator()(G team, const V* w, V* out) const {
    problem.gradient(team, cache, w, out);
  }
};

}  // namespace pyblo
