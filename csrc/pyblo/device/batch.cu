// Batches of symmetric problems A x = b, or ½xᵀAx − bᵀx → min: the kernels that the host launches.
//
// A team of threads (team.hpp) solves problem after problem in working memory of its own, which begins at a multiple of 64 bytes
// and has as many bytes as working_bytes tells. The algorithms are the core's, and so are the bits.
#include "pyblo/device/matrix.hpp"
#include "pyblo/core/solve/neumann.hpp"

namespace pyblo {

// Arrays are C-contiguous
template <class T> struct Batch {
  const T *a, *b;          // (count, n, n), of which the lower triangles count, and (count, n)
  T* x;                    // (count, n): starts, where a kernel wants them; then the solutions
  index count, n, stride;  // a stride of zero shares one matrix among all
  double max_asymmetry;    // of |a_ij − a_ji| over the largest |a_ij|: what lies beyond is left alone, its status RUNNING
  char* memory;            // working memory of all teams, where it is not in shared memory
  index bytes;             // of working memory per team
  int* status;             // (count,), this and the following
  index* steps;
  double *residual, *asymmetry;
};

// What one problem has beside its algorithm's own work
template <class T, class Form> struct Place {
  T *matrix, *b, *x;
  Place(Scratch& s, index n) : matrix(Form::template Matrix<T>::take(s, n)), b(s.take<T>(n)), x(s.take<T>(n)) {}
};

template <class T, class Form> index cg_bytes(index n) {
  return bytes_of([=](Scratch& s) { Place<T, Form>(s, n), s.lend<T>(3 * n), CgScratch<T>(s, n, false); });
}
template <class T, class Form> index descend_bytes(index n) {
  return bytes_of([=](Scratch& s) { Place<T, Form>(s, n), s.lend<T>(3 * n), DescendScratch<T>(s, n); });
}

// solve(k, team, matrix, place, scratch) gives the report of problem k, for the problems of this team
template <class Form, class T, class Solve> void each_problem(const Batch<T>& batch, bool starts, Solve solve) {
  using Team = typename Form::Team;
  alignas(64) extern __shared__ char shared_memory[];
  const Team team;
  const index n = batch.n, mine = blockIdx.x * Team::per_block() + Team::in_block();
  char* const memory = Form::shared ? shared_memory + Team::in_block() * batch.bytes : batch.memory + mine * batch.bytes;
  for (index k = mine; k < batch.count; k += gridDim.x * Team::per_block()) {
    Scratch scratch{memory};
    const Place<T, Form> place(scratch, n);
    const typename Form::template Matrix<T> matrix(team, batch.a + k * batch.stride, n, place.matrix, scratch.lend<T>(3 * n));
    const double asymmetry = double(matrix.seen.asymmetry);
    team.each(n, [=](index i) {
      place.b[i] = batch.b[k * n + i];
      place.x[i] = starts ? batch.x[k * n + i] : T(0);
    });
    team.sync();
    Report<T> report{T(RUNNING), 0, 0, 0};
    if (!(asymmetry > batch.max_asymmetry)) report = solve(k, team, matrix, place, scratch);
    team.each(n, [=](index i) { batch.x[k * n + i] = place.x[i]; });
    team.each(1, [=](index) {
      batch.status[k] = int(report.status), batch.steps[k] = index(report.steps);
      batch.residual[k] = double(report.residual), batch.asymmetry[k] = asymmetry;
    });
    team.sync();  // the next problem overwrites the memory
  }
}

// evidence (count, n) gets the directions of INDEFINITE
template <class T, class Form>
__global__ void __launch_bounds__(Form::threads, Form::blocks(sizeof(T))) batch_cg(Batch<T> batch, bool from_zero, Stop stop, T* evidence) {
  each_problem<Form>(batch, !from_zero, [=](index k, auto team, const auto& matrix, const auto& place, Scratch scratch) {
    Pulse pulse;
    const CgScratch<T> work(scratch, batch.n, false);
    const Report<T> report = cg(team, matrix, place.b, place.x, from_zero, false, work, stop, pulse);
    if (report.status == T(INDEFINITE)) team.each(batch.n, [=](index i) { evidence[k * batch.n + i] = work.p[i]; });
    return report;
  });
}

// Whether step·‖A‖∞ is known to be below the limit, where there is one
template <class Matrix> bool within(const Matrix& matrix, double step, double limit) {
  return limit == 0 || double(matrix.seen.norm) * step < limit;
}

// x = α Σ_{j<terms} (I − αA)^j b with the α of each problem in steps; one that is not within the limit is left RUNNING
template <class T, class Form>
__global__ void __launch_bounds__(Form::threads, Form::blocks(sizeof(T))) batch_neumann(Batch<T> batch, const double* steps, index terms, double limit) {
  each_problem<Form>(batch, false, [=](index k, auto team, const auto& matrix, const auto& place, Scratch scratch) {
    Pulse pulse;
    if (!within(matrix, steps[k], limit)) return Report<T>{T(RUNNING), 0, 0, 0};
    const DescendScratch<T> work(scratch, batch.n);
    return neumann(team, matrix, place.b, place.x, false, work, steps[k], terms, pulse);
  });
}

// Steps from x with the α of each problem in steps: `times` of them where tol < 0, else until ‖Ax − b‖ ≤ tol·max(1, its first value), at
// most `times`; the limit as above
template <class T, class Form>
__global__ void __launch_bounds__(Form::threads, Form::blocks(sizeof(T))) batch_descend(Batch<T> batch, const double* steps, double momentum, bool nesterov, index times, double tol, double limit) {
  each_problem<Form>(batch, true, [=](index k, auto team, const auto& matrix, const auto& place, Scratch scratch) {
    Pulse pulse;
    if (!within(matrix, steps[k], limit)) return Report<T>{T(RUNNING), 0, 0, 0};
    const DescendScratch<T> work(scratch, batch.n);
    const LinearGradient<T, typename Form::template Matrix<T>> gradient{matrix, place.b};
    const Rule<double> rule{steps[k], momentum, nesterov};
    if (tol < 0) return descend(team, batch.n, gradient, place.x, work, rule, times, pulse);
    return descend_until(team, batch.n, gradient, place.x, work, rule, tol, times, pulse);
  });
}

// bytes[0] of working memory for batch_cg, bytes[1] for the others; one thread
template <class T, class Form> __global__ void working_bytes(index n, index* bytes) {
  bytes[0] = cg_bytes<T, Form>(n);
  bytes[1] = descend_bytes<T, Form>(n);
}

}  // namespace pyblo
