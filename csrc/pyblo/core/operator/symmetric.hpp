// A symmetric matrix by its lower triangle: half the memory to stream through, for the packs whose matrices come from the L2 cache.
// Output y_i gets its terms in ascending order: those of the columns up to i while row i is read, a_ki x_k while the rows k below it
// are. So it has the bits of the full product.
#pragma once
#include "../level1.hpp"

namespace pyblo {

template <class T> struct Symmetric {
  // Rows four at a time, each four column after column, so that a product reads one stream; the block on the diagonal is a full square
  const T* a;
  index n;

  static constexpr index height = 4;
  // Where a block of rows begins
  static index first_of(index block) { return height * height * block * (block + 1) / 2; }
  static index storage(index n) { return first_of(n / height) + n % height * n; }

  index size() const { return n; }
  index madds() const { return n * n; }

  template <class G, class V> void apply(G team, const V* x, V* y) const {
    multiply([](T element) { return element; }, x, y);
    team.sync();
  }
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const { apply(team, x, y); }
  template <class G, class V> void apply_many(G team, index count, const V* x, V* y) const {
    for (index k = 0; k < count; ++k) apply(team, x + k * n, y + k * n);
  }
  // y = f(A) x, f of each element
  template <class F, class V> void multiply(F f, const V* x, V* y) const {
    const T* p = a;
    index i = 0;
    for (; i + height <= n; i += height) p = rows<height>(f, p, i, x, y);
    with_count<height>(n - i, [&]<int Count>() { rows<Count>(f, p, i, x, y); });
  }

 private:
  // Rows i … i + Count − 1, which begin at p: their own sums, and their terms of the outputs above. Returns the end of the rows.
  template <int Count, class F, class V> static const T* rows(F f, const T* p, index i, const V* x, V* y) {
    V s[Count], xi[Count];
    unrolled<Count>([&]<int K>() { s[K] = V(0), xi[K] = x[i + K]; });
    for (index j = 0; j < i; ++j, p += Count) {
      const V xj = x[j];
      V above = y[j];
      unrolled<Count>([&]<int K>() {
        V value = convert<V>(f(p[K]));
        hold(value);  // else it is loaded twice, and loads are what this loop has too many of
        s[K] = madd(value, xj, s[K]);
        above = madd(value, xi[K], above);
      });
      y[j] = above;
    }
    unrolled<Count * Count>([&]<int K>() { s[K % Count] = madd(convert<V>(f(p[K])), xi[K / Count], s[K % Count]); });  // the block on the diagonal
    unrolled<Count>([&]<int K>() { y[i + K] = s[K]; });
    return p + Count * Count;
  }
};

}  // namespace pyblo
