// One outer step on the host, put together at run time from an inner run and a hypergradient. The parts are closures over
// the core's algorithms: one indirect call per outer step, instead of one compiled loop per combination.
#pragma once
#include <functional>

#include "kernels/data.hpp"

namespace pyblo {

// w = Ξ(u, start)
template <class T> struct Inner {
  index bytes;  // of scratch
  index madds;
  std::function<Report<T>(const T* u, const T* start, T* w, Scratch, Pulse&)> run;
};

// dF/du at (u, w), where w came from a run that began at start
template <class T> struct Hypergradient {
  index bytes;
  index madds;
  std::function<Hyper<T>(const T* u, const T* start, const T* w, Gradients<T>, Scratch, Pulse&)> run;
};

template <class T> struct Step {
  index outer_size, inner_size;
  Inner<T> inner;
  Hypergradient<T> hypergradient;
};

// A step with its memory: the Step of loop/alternate.hpp
template <class T> class BoundStep {
 public:
  BoundStep(const Step<T>& step, Scratch scratch)
      : step_(step), grad_w_(scratch.take<T>(step.inner_size)), adjoint_(scratch.take<T>(step.inner_size)), rest_(scratch) {}
  static index bytes(const Step<T>& step) {
    return bytes_of([&](Scratch& s) {
      s.take<T>(step.inner_size), s.take<T>(step.inner_size);
      s.take<char>(step.inner.bytes > step.hypergradient.bytes ? step.inner.bytes : step.hypergradient.bytes);
    });
  }

  index outer_size() const { return step_.outer_size; }
  index inner_size() const { return step_.inner_size; }
  index madds() const { return step_.inner.madds + step_.hypergradient.madds; }

  template <class G> Report<T> inner(G, const T* u, const T* start, T* w, Pulse& pulse) {
    return step_.inner.run(u, start, w, rest_, pulse);
  }
  template <class G> Hyper<T> hypergradient(G, const T* u, const T* start, const T* w, T* grad, Pulse& pulse) {
    return step_.hypergradient.run(u, start, w, {grad, grad_w_, adjoint_}, rest_, pulse);
  }

 private:
  const Step<T>& step_;
  T *grad_w_, *adjoint_;
  Scratch rest_;
};

}  // namespace pyblo
