// A symmetric matrix while its problem is solved: a row in the registers of each thread, or whole in shared or global memory.
// Of what the caller passed the lower triangle counts. Every output gets its terms in ascending order: the bits of the host.
#pragma once
#include "pyblo/core/operator/dense.hpp"
#include "pyblo/core/scratch.hpp"
#include "pyblo/device/team.hpp"

namespace pyblo {

// y = A x from the transpose at (cols, rows), row-major: neighbouring threads read neighbouring elements
template <class T, class V>
void multiply(Block<> team, const T*, const T* at, index rows, index cols, const V* x, V* y) {
  team.each(rows, [=](index i) {
    constexpr int step = 8;  // elements on their way at once
    V s = V(0);
    index j = 0;
    for (const T* column = at + i; j + step <= cols; j += step, column += step * rows) {
      T a[step];
      unrolled<step>([&]<int K>() { a[K] = column[K * rows]; });
      unrolled<step>([&]<int K>() { s = madd(convert<V>(a[K]), x[j + K], s); });
    }
    for (; j < cols; ++j) s = madd(convert<V>(at[j * rows + i]), x[j], s);
    y[i] = s;
  });
}

// The elements of row i, and what is seen on the way
template <class T> struct RowReader {
  const T* a;
  index n, i;
  T gap = T(0), size = T(0), sum = T(0);  // the largest |a_ij − a_ji|, the largest |a_ij|, Σ_j |a_ij|

  T operator()(index j) {
    const T in_row = a[i * n + j], in_column = a[j * n + i];
    const bool same = in_row == in_column || (in_row != in_row && in_column != in_column);
    gap = larger_or_nan(gap, same ? T(0) : magnitude(in_row - in_column));  // ∞ − ∞ is no gap
    const T value = j <= i ? in_row : in_column;
    size = larger(magnitude(value), size);
    sum = sum + magnitude(value);
    return value;
  }
};

// What was seen in all rows
template <class T> struct Seen {
  T asymmetry;  // the largest |a_ij − a_ji| over the largest |a_ij|; a NaN that is on one side of the diagonal only
  T norm;       // ‖A‖∞
};

// read.operator()<K>(reader) reads the row of a thread's K-th index; memory for three vectors, good until the next sync
template <class T, class G, class F> Seen<T> see(G team, const T* a, index n, T* memory, F read) {
  T *const gaps = memory, *const sizes = memory + n, *const sums = memory + 2 * n;
  team.each_own(n, [&]<int K>(index i) {
    RowReader<T> reader{a, n, i};
    read.template operator()<K>(reader);
    gaps[i] = reader.gap, sizes[i] = reader.size, sums[i] = reader.sum;
  });
  team.sync();
  const T gap = team.template largest<T>(n, [=](index i) { return gaps[i]; });
  const T size = team.template largest<T>(n, [=](index i) { return sizes[i]; });
  const T norm = team.template largest<T>(n, [=](index i) { return sums[i]; });
  team.sync();
  return {gap == T(0) ? T(0) : gap / size, norm};
}

template <class A, class B> inline constexpr bool is_same = false;
template <class A> inline constexpr bool is_same<A, A> = true;

// Rows r, r + Width, … of an n×n matrix, n ≤ N, in the registers of thread r. What is fetched of x serves all rows of a thread: shared
// memory gives a warp 128 bytes a cycle, however many threads want the same.
template <class T, int N, int Width> struct Rows {
  static constexpr int own = N / Width;
  T row[own][N];
  const T* a;  // as it was passed
  index n;
  Seen<T> seen;

  static T* take(Scratch&, index) { return nullptr; }

  template <class G> Rows(G team, const T* a, index n, T*, T* memory) : a(a), n(n) {
    unrolled<own * N>([&]<int E>() { row[E / N][E % N] = T(0); });
    seen = see(team, a, n, memory, [&]<int K>(RowReader<T>& reader) {
      unrolled<N>([&]<int J>() {
        if (J < int(n)) row[K][J] = reader(J);
      });
    });
    if (seen.asymmetry != seen.asymmetry && team.rank() == 0) row[0][0] = seen.asymmetry;
  }

  index size() const { return n; }
  index madds() const { return n * n; }

  template <class G, class V> void apply(G team, const V* x, V* y) const {
    if constexpr (is_same<V, T>) {
      T s[own];
      product(x, s);
      team.each_own(n, [&]<int K>(index i) { y[i] = s[K]; });
    } else {
      team.each(n, [&](index i) { y[i] = wide_product(i, x); });
    }
    team.sync();
  }
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const { apply(team, x, y); }

 private:
  struct alignas(16) Part {  // of a vector that begins at a multiple of 16 bytes: one load
    static constexpr int size = 16 / int(sizeof(T));
    T v[size];
  };

  template <int J> void add(T xj, T* s) const {
    unrolled<own>([&]<int K>() { s[K] = madd(row[K][J], xj, s[K]); });
  }
  void product(const T* x, T* s) const {
    constexpr int step = 8;
    const int n = int(size());
    unrolled<own>([&]<int K>() { s[K] = T(0); });
    unrolled<N / step>([&]<int C>() {
      if ((C + 1) * step <= n)
        unrolled<step / Part::size>([&]<int P>() {
          constexpr int first = C * step + P * Part::size;
          const Part part = *reinterpret_cast<const Part*>(x + first);
          unrolled<Part::size>([&]<int K>() { add<first + K>(part.v[K], s); });
        });
      else
        unrolled<step>([&]<int K>() {
          if (C * step + K < n) add<C * step + K>(x[C * step + K], s);
        });
    });
  }
  // In a wider type, for the few true residuals
  template <class V> V wide_product(index i, const V* x) const {
    if (i == 0 && seen.asymmetry != seen.asymmetry) return V(seen.asymmetry);
    V s = V(0);
    for (index j = 0; j < n; ++j) s = madd(convert<V>(j <= i ? a[i * n + j] : a[j * n + i]), x[j], s);
    return s;
  }
};

// The whole in memory, mirrored
template <class T> struct Square : Dense<T> {
  Seen<T> seen;

  static T* take(Scratch& s, index n) { return s.take<T>(n * n); }

  template <class G> Square(G team, const T* a, index n, T* to, T* memory) : Dense<T>{to, to, n, n} {
    seen = see(team, a, n, memory, [=]<int>(RowReader<T>& reader) {
      for (index j = 0; j < n; ++j) to[j * n + reader.i] = reader(j);
    });
    if (seen.asymmetry != seen.asymmetry) team.each(1, [=, this](index) { to[0] = seen.asymmetry; });
    team.sync();
  }
};

// Where the matrix and the vectors of a problem lie, who works on it, and for __launch_bounds__ the threads of a block and how many
// blocks a multiprocessor shall hold
template <int N, int Width> struct InRegisters {
  using Team = Lanes<Width, N / Width>;
  template <class T> using Matrix = Rows<T, N, Width>;
  static constexpr bool shared = true;
  static constexpr int threads = 64;
  // of 65,536 registers: the rows and 56 more for each thread, 80 at the least
  static constexpr int blocks(int scalar_bytes) {
    const int rows = N * (N / Width) * scalar_bytes / 4;
    return 65536 / threads / (rows > 40 ? rows + 56 : 80);
  }
};
template <> struct InRegisters<64, 64> {
  using Team = Block<1>;
  template <class T> using Matrix = Rows<T, 64, 64>;
  static constexpr bool shared = true;
  static constexpr int threads = 64;
  static constexpr int blocks(int scalar_bytes) { return scalar_bytes == 8 ? 8 : 10; }
};
template <bool Shared> struct InMemory {
  using Team = Block<>;
  template <class T> using Matrix = Square<T>;
  static constexpr bool shared = Shared;
  static constexpr int threads = 256;
  static constexpr int blocks(int) { return Shared ? 1 : 2; }
};
using InShared = InMemory<true>;
using InGlobal = InMemory<false>;

}  // namespace pyblo
