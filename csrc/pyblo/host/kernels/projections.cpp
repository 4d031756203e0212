// One problem after the other; the workers share them out.
#include "projections.hpp"

#include "pyblo/core/loop/projections.hpp"
#include "pyblo/host/batch.hpp"

namespace pyblo {
namespace {

template <class R> void cyclic_all(const ProjectionCall<R>& call, Pulse& pulse) {
  const auto layout = [&](Scratch& s) { return CyclicScratch<R>(s, call.rows, call.n); };
  share_out(call.count, bytes_of(layout), [&](index k, Scratch s, Pulse& own) {
    const Walls<R> walls{call.a + k * call.a_stride, call.b + k * call.b_stride, call.half_space, call.rows, call.n};
    R* const history = call.history ? call.history + k * (call.max_cycles + 1) * call.n : nullptr;
    const CyclicReport<R> r = project_cyclically(Solo{}, walls, call.corrected, call.w + k * call.n, call.moves + k * call.rows,
                                                 layout(s), call.tol, call.max_cycles, history, own);
    call.status[k] = int(r.status), call.cycles[k] = index(r.cycles), call.moved[k] = r.moved, call.apart[k] = r.apart;
  }, pulse);
}

}  // namespace

template <class R> ProjectionKernels<R> projection_kernels() { return {&cyclic_all<R>}; }
template ProjectionKernels<float> projection_kernels<float>();
template ProjectionKernels<double> projection_kernels<double>();

}  // namespace pyblo
