// One system alone, or a pack of systems: the same call of the core.
#include "linear.hpp"

#include "pyblo/core/operator/dense.hpp"
#include "pyblo/core/solve/neumann.hpp"
#include "pyblo/host/batch.hpp"
#include "pyblo/host/lanes.hpp"

namespace pyblo {
namespace {

// The systems of one group as the core wants them, in working memory. Data is the matrix: a triangle of packs, or one square.
template <class T> struct Loaded {
  static constexpr bool alone = Scalar<T>::lanes == 1;
  using Matrix = std::conditional_t<alone, Dense<T>, Symmetric<T>>;
  using R = real_t<T>;
  index n;
  T *a, *b, *x;
  T* rows;  // good until more memory is taken

  Loaded(Scratch& s, index n)
      : n(n), a(s.take<T>(alone ? n * n : Symmetric<T>::storage(n))), b(s.take<T>(n)), x(s.take<T>(n)),
        rows(s.lend<T>(alone ? 0 : Symmetric<T>::height * n)) {}

  Matrix matrix() const {
    if constexpr (alone)
      return {a, a, n, n};
    else
      return {a, n};
  }

  // Reads the matrices and right-hand sides; returns whether the matrices are symmetric enough
  bool read(const Systems<R>& systems, Group g, const Answers& out) {
    Asymmetry<T> asymmetry;
    if constexpr (alone)
      mirror(systems.a + g.first * systems.stride, n, a, asymmetry);
    else
      SymmetricPacking<T>(Sources<T>(systems.a, systems.stride, g.first, g.live), n, a, rows).run(asymmetry);
    const T ratios = asymmetry.ratio();
    if (n) a[0] = select(ratios == ratios, a[0], ratios);  // a NaN above the diagonal shows too
    bool fair = true;
    for (int l = 0; l < g.live; ++l) {
      const double ratio = lane(ratios, l);
      if (ratio > systems.max_asymmetry) out.refuse(ratio), fair = false;
    }
    read(systems.b, g, b);
    return fair;
  }
  void read(const R* vectors, Group g, T* to) const {
    if constexpr (alone)
      copy(Solo{}, n, vectors + g.first * n, to);
    else
      pack(Sources<T>(vectors, n, g.first, g.live), n, to);
  }
  void write(const T* from, Group g, R* vectors) const {
    if constexpr (alone)
      copy(Solo{}, n, from, vectors + g.first * n);
    else
      unpack(from, n, vectors + g.first * n, n, g.live);
  }
};

template <class T> void write(const Report<T>& r, Group g, const Answers& out) {
  for (int l = 0; l < g.live; ++l) {
    const index k = g.first + l;
    out.status[k] = int(lane(r.status, l)), out.steps[k] = index(lane(r.steps, l)), out.residual[k] = lane(r.residual, l);
  }
}

// Brings the matrices of groups into the cache in one stream, as a prefetcher likes it: packing jumps from matrix to matrix, and waited
// for memory twice as long. The next group's come beside the products of this one, a row of each matrix with each product; its right-hand
// sides, which are few bytes, at once.
template <class R> class Ahead {
 public:
  Ahead(const Systems<R>& systems, index working_memory) : systems_(systems), working_memory_(working_memory) {}

  // Reads those of a group, but for what has been fetched
  void reach(Group g, Pulse& pulse) const {
    constexpr index most = 1 << 22;  // beyond, they would leave the cache before they are packed
    const Prefetch whole = matrices(g);
    const char* at = pulse.next.end == whole.end ? pulse.next.at : whole.at;
    if (whole.end - whole.at <= most)
      for (; at < whole.end; at += 64) static_cast<void>(*static_cast<const volatile char*>(at));
    pulse.next = {};
  }
  // Lets the pulse fetch those of a group, where they find room
  void expect(Group g, Pulse& pulse) const {
    const Prefetch whole = matrices(g);
    if (working_memory_ + (whole.end - whole.at) > second_level_cache() / 2) return;
    pulse.next = whole;
    const char* const b = bytes(systems_.b + g.first * systems_.n);
    Prefetch{b, b + g.live * row(), g.live * row()}();
  }

 private:
  Prefetch matrices(Group g) const {
    const R* const at = systems_.a + g.first * systems_.stride;
    return {bytes(at), bytes(at + g.live * systems_.stride), g.live * row()};
  }
  index row() const { return systems_.n * index(sizeof(R)); }
  static const char* bytes(const R* p) { return reinterpret_cast<const char*>(p); }

  const Systems<R>& systems_;
  index working_memory_;
};

// run(loaded, group, work, pulse) for the groups of a batch in packs of T; layout(T*, scratch) lays out the work
template <class T, class R, class Layout, class Run>
void solve_packs(const Systems<R>& systems, const Answers& out, const Layout& layout, const Run& run, Pulse& pulse) {
  const auto bytes = [&]<class U>(U* kind) {
    return bytes_of([&](Scratch& s) { Loaded<U>(s, systems.n), layout(kind, s); });
  };
  T* const pack = nullptr;
  R* const alone = nullptr;
  const Division division(systems.count, Scalar<T>::lanes);
  const index most = bytes(pack) > bytes(alone) ? bytes(pack) : bytes(alone);
  share_out_portions(division.items(), most, [&](index begin, index end, Scratch scratch, Pulse& own) {
    const Ahead<R> ahead(systems, most);
    for (index item = begin; item < end && !own.stopped; ++item) {
      const Group g = division.group(item);
      const auto one = [&]<class U>(U* kind) {
        Scratch s = scratch;
        Loaded<U> loaded(s, systems.n);
        ahead.reach(g, own);
        if (item + 1 < end) ahead.expect(division.group(item + 1), own);
        if (loaded.read(systems, g, out)) write(run(loaded, g, layout(kind, s), own), g, out);
      };
      division.packed(item) ? one(pack) : one(alone);
    }
    own.next = {};
  }, pulse);
}

// In packs of two registers while the matrices stay in the first-level cache: what an iteration does beside the product is chains of
// operations, and two of them wait side by side. In packs of one register, or of half a register, while they stay in the second-level
// cache: the most lanes, but registers of 64 bytes only where half the cache is left to the rest, and where a processor works on them by
// halves only in the first level. In packs of half a register too while those of all threads stay in half the third level, for a triangle
// is half of what a problem alone reads from there. And else one by one.
template <class R, class Layout, class Run>
void solve_all(const Systems<R>& systems, const Answers& out, const Layout& layout, const Run& run, Pulse& pulse) {
  using Half = Pack<R, widest<R> / 2>;
  using Two = Pack<R, 2 * widest<R>>;
  const auto bytes = [&]<class T>(T*) { return Symmetric<T>::storage(systems.n) * index(sizeof(T)); };
  const index one = bytes(static_cast<Lanes<R>*>(nullptr));
  if (systems.count == 1) return solve_packs<R>(systems, out, layout, run, pulse);
  if constexpr (std::is_same_v<R, wide_t<R>>)  // the wide type of others would take four registers
    if (systems.count >= 4 * widest<R> * num_threads() && bytes(static_cast<Two*>(nullptr)) <= first_level_share)
      return solve_packs<Two>(systems, out, layout, run, pulse);
  if (register_bytes == 64 ? one <= (halves_wide_registers() ? first_level_share : second_level_cache() / 2) : stays_in_cache(one))
    return solve_packs<Lanes<R>>(systems, out, layout, run, pulse);
  if constexpr (widest<R> >= 4) {
    const index half = bytes(static_cast<Half*>(nullptr)), threads = num_threads();
    if (stays_in_cache(half) || (half * threads <= third_level_cache() / 2 && systems.count >= Scalar<Half>::lanes * threads))
      return solve_packs<Half>(systems, out, layout, run, pulse);
  }
  solve_packs<R>(systems, out, layout, run, pulse);
}

template <class R>
void cg_all(const Systems<R>& systems, Stop stop, bool from_zero, R* x, const Answers& out, Evidence<R>& evidence, Pulse& pulse) {
  const auto layout = [&]<class T>(T*, Scratch& s) { return CgScratch<T>(s, systems.n, false); };
  solve_all(systems, out, layout, [&]<class T>(const Loaded<T>& l, Group g, const CgScratch<T>& work, Pulse& own) {
    if (!from_zero) l.read(x, g, l.x);
    const Report<T> r = cg(Solo{}, l.matrix(), l.b, l.x, from_zero, false, work, stop, own);
    l.write(l.x, g, x);
    for (int k = 0; k < g.live; ++k)
      if (lane(r.status, k) == R(INDEFINITE)) {
        R* const p = evidence.of(g.first + k);
        for (index i = 0; i < l.n; ++i) p[i] = lane(work.p[i], k);
      }
    return r;
  }, pulse);
}

// The steps of a group's problems
template <class T> wide_t<T> steps_of(const double* steps, Group g) {
  if constexpr (Scalar<T>::lanes == 1) {
    return steps[g.first];
  } else {
    wide_t<T> s(0);
    for (int l = 0; l < Scalar<T>::lanes; ++l) set_lane(s, l, steps[g.first + (l < g.live ? l : g.live - 1)]);
    return s;
  }
}

// ‖A‖∞ of symmetric matrices: the largest element of |A|·1
template <class T> T largest_row_sum(const Symmetric<T>& A, T* ones, T* sums) {
  fill(Solo{}, A.n, T(1), ones);
  A.multiply([](T a) { return magnitude(a); }, ones, sums);
  T largest = T(0);
  for (index i = 0; i < A.n; ++i) largest = larger(sums[i], largest);
  return largest;
}
template <class T> T largest_row_sum(const Dense<T>& A, T*, T*) {
  T largest = T(0);
  for (index i = 0; i < A.rows; ++i)
    largest = larger(Solo{}.sum<T>(A.cols, [&](index j, T s) { return s + magnitude(A.a[i * A.cols + j]); }), largest);
  return largest;
}

// Whether the steps of a group are known to be below the limit
template <class T, class Matrix> bool within(const Matrix& A, wide_t<T> step, double limit, const DescendScratch<T>& work) {
  using W = wide_t<T>;
  return limit == 0 || !any(!(convert<W>(largest_row_sum(A, work.y, work.g)) * step < W(limit)));
}
template <class T> Report<T> left_alone() { return {T(RUNNING), wide_t<T>(0), wide_t<T>(0), wide_t<T>(0)}; }

template <class R>
void neumann_all(const Systems<R>& systems, const double* steps, index terms, double limit, R* x, const Answers& out, Pulse& pulse) {
  const auto layout = [&]<class T>(T*, Scratch& s) { return DescendScratch<T>(s, systems.n); };
  solve_all(systems, out, layout, [&]<class T>(const Loaded<T>& l, Group g, const DescendScratch<T>& work, Pulse& own) {
    const wide_t<T> step = steps_of<T>(steps, g);
    if (!within<T>(l.matrix(), step, limit, work)) return left_alone<T>();
    const Report<T> r = neumann(Solo{}, l.matrix(), l.b, l.x, false, work, step, terms, own);
    l.write(l.x, g, x);
    return r;
  }, pulse);
}

template <class R> void descend_all(const Systems<R>& systems, const DescentCall& call, R* x, const Answers& out, Pulse& pulse) {
  const auto layout = [&]<class T>(T*, Scratch& s) { return DescendScratch<T>(s, systems.n); };
  solve_all(systems, out, layout, [&]<class T>(const Loaded<T>& l, Group g, const DescendScratch<T>& work, Pulse& own) {
    const auto matrix = l.matrix();
    if (!within<T>(matrix, steps_of<T>(call.steps, g), call.limit, work)) return left_alone<T>();
    l.read(x, g, l.x);
    const LinearGradient<T, std::decay_t<decltype(matrix)>> gradient{matrix, l.b};
    const rule_t<T> rule{steps_of<T>(call.steps, g), call.momentum, call.nesterov};
    const Report<T> r = call.tol < 0 ? descend(Solo{}, l.n, gradient, l.x, work, rule, call.times, own)
                                     : descend_until(Solo{}, l.n, gradient, l.x, work, rule, call.tol, call.times, own);
    l.write(l.x, g, x);
    return r;
  }, pulse);
}

}  // namespace

template <class R> LinearKernels<R> linear_kernels() { return {&cg_all<R>, &neumann_all<R>, &descend_all<R>}; }
template LinearKernels<float> linear_kernels<float>();
template LinearKernels<double> linear_kernels<double>();

}  // namespace pyblo
