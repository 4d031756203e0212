// Batches of small symmetric problems A x = b, or ½xᵀAx − bᵀx → min, one warp per problem: the kernels that the host launches.
//
// Arrays are C-contiguous: a (count, n, n), b and x (count, n), steps (count,), out (count,). Blocks hold whole warps. A warp
// solves problem after problem in its own part of scratch, which begins at a multiple of 64 bytes and has as many bytes per
// warp of the grid as scratch_bytes tells. The algorithms are the core's, and so are the bits.
#include "pyblo/core/operator/dense.hpp"
#include "pyblo/core/solve/neumann.hpp"
#include "pyblo/device/warp.hpp"

namespace pyblo {

struct Outcome {
  index status, steps;
  double residual;
  index products;
};

template <class T> Outcome plain(Report<T> r) { return {index(r.status), index(r.steps), double(r.residual), index(r.products)}; }

// Bytes of scratch per warp, by the algorithms' own layouts
template <class T> index cg_bytes(index n, bool normal) {
  return bytes_of([=](Scratch& s) { CgScratch<T>(s, n, normal); });
}
template <class T> index descend_bytes(index n) {
  return bytes_of([=](Scratch& s) { DescendScratch<T>(s, n); });
}

// out[k] = solve(k, scratch of this warp) for the problems of this warp
template <class Solve> void each_problem(index count, char* scratch, index bytes, Outcome* out, Solve solve) {
  const index warps = index(gridDim.x) * (blockDim.x / Warp::width);
  const index warp = index(blockIdx.x) * (blockDim.x / Warp::width) + threadIdx.x / Warp::width;
  for (index k = warp; k < count; k += warps) {
    const Outcome outcome = solve(k, Scratch{scratch + warp * bytes, 0});
    Warp{}.each(1, [=](index) { out[k] = outcome; });
    Warp{}.sync();  // the next problem overwrites the scratch
  }
}

template <class T> Dense<T> symmetric(const T* a, index n, index k) { return {a + k * n * n, a + k * n * n, n, n}; }

// x holds the starts unless from_zero
template <class T>
__global__ void batch_cg(index count, index n, const T* a, const T* b, T* x, bool from_zero, bool normal, Stop stop,
                         char* scratch, Outcome* out) {
  each_problem(count, scratch, cg_bytes<T>(n, normal), out, [=](index k, Scratch memory) {
    Pulse pulse;
    const CgScratch<T> work(memory, n, normal);
    return plain(cg(Warp{}, symmetric(a, n, k), b + k * n, x + k * n, from_zero, normal, work, stop, pulse));
  });
}

// x = α Σ_{j<terms} (I − αA)^j b with the α of each problem in steps
template <class T>
__global__ void batch_neumann(index count, index n, const T* a, const T* b, T* x, const double* steps, index terms,
                              char* scratch, Outcome* out) {
  each_problem(count, scratch, descend_bytes<T>(n), out, [=](index k, Scratch memory) {
    Pulse pulse;
    const DescendScratch<T> work(memory, n);
    return plain(neumann(Warp{}, symmetric(a, n, k), b + k * n, x + k * n, false, work, steps[k], terms, pulse));
  });
}

// `times` steps from x with the α of each problem in steps
template <class T>
__global__ void batch_descend(index count, index n, const T* a, const T* b, T* x, const double* steps, double momentum,
                              bool nesterov, index times, char* scratch, Outcome* out) {
  each_problem(count, scratch, descend_bytes<T>(n), out, [=](index k, Scratch memory) {
    Pulse pulse;
    const DescendScratch<T> work(memory, n);
    const Dense<T> op = symmetric(a, n, k);
    const LinearGradient<T, Dense<T>> gradient{op, b + k * n};
    return plain(descend(Warp{}, n, gradient, x + k * n, work, Rule<double>{steps[k], momentum, nesterov}, times, pulse));
  });
}

// The same until ‖Ax − b‖ ≤ tol·max(1, its first value), with at most max_steps steps
template <class T>
__global__ void batch_descend_until(index count, index n, const T* a, const T* b, T* x, const double* steps, double momentum,
                                    bool nesterov, double tol, index max_steps, char* scratch, Outcome* out) {
  each_problem(count, scratch, descend_bytes<T>(n), out, [=](index k, Scratch memory) {
    Pulse pulse;
    const DescendScratch<T> work(memory, n);
    const Dense<T> op = symmetric(a, n, k);
    const LinearGradient<T, Dense<T>> gradient{op, b + k * n};
    const Rule<double> rule{steps[k], momentum, nesterov};
    return plain(descend_until(Warp{}, n, gradient, x + k * n, work, rule, tol, max_steps, pulse));
  });
}

// bytes[0] for batch_cg, bytes[1] for the others, per warp; one thread
template <class T> __global__ void scratch_bytes(index n, bool normal, index* bytes) {
  bytes[0] = cg_bytes<T>(n, normal);
  bytes[1] = descend_bytes<T>(n);
}

}  // namespace pyblo
