// Many vectors at once stand in panels of a few registers, side by side: y and v are then read and written in whole registers, and an
// element of Φ meets all vectors of a panel. Every output adds its terms one by one in ascending order, whatever the registers.
#include "gram.hpp"

#include <stdexcept>

#include "pyblo/core/pack.hpp"
#include "pyblo/host/cache.hpp"
#include "pyblo/host/gather.hpp"

namespace pyblo {
namespace {

template <class T> inline constexpr int lanes = register_bytes / int(sizeof(T));
template <class T> using Register = Pack<T, lanes<T>>;

// Vectors (n, vectors) in panels of `width` vectors, each panel (n, width); zeros beside the last vectors
template <class T> struct Panels {
  index n, vectors, width, count;

  Panels(index n, index vectors, int registers)
      : n(n), vectors(vectors), width(registers * lanes<T>), count((vectors + width - 1) / width) {}
  index size() const { return count * n * width; }

  void pack(const T* v, T* to) const {
    for (index p = 0; p < count; ++p)
      for (index j = 0; j < n; ++j)
        for (index c = 0; c < width; ++c, ++to) *to = p * width + c < vectors ? v[j * vectors + p * width + c] : T(0);
  }
  // y = panels + d∘v
  void unpack(const T* from, const GramCall<T>& call) const {
    for (index p = 0; p < count; ++p)
      for (index j = 0; j < n; ++j)
        for (index c = 0; c < width && p * width + c < vectors; ++c) {
          const index at = j * vectors + p * width + c;
          const T sum = from[(p * n + j) * width + c];
          call.y[at] = call.shifts ? madd(call.shifts[j], call.v[at], sum) : sum;
        }
  }
};

// r (Count, panel) += φ_k v over the columns from `begin` to `end`, for Count rows
template <int Count, int Registers, class T>
void dots(const T* phi, index n, index begin, index end, const T* v, T* r) {
  Register<T> s[Count * Registers], vj[Registers];
  unrolled<Count * Registers>([&]<int I>() { s[I] = load<Register<T>>(r + I * lanes<T>); });
  for (index j = begin; j < end; ++j) {
    unrolled<Registers>([&]<int C>() { vj[C] = load<Register<T>>(v + (j * Registers + C) * lanes<T>); });
    unrolled<Count>([&]<int K>() {
      const Register<T> a(phi[K * n + j]);
      unrolled<Registers>([&]<int C>() { s[K * Registers + C] = madd(a, vj[C], s[K * Registers + C]); });
    });
  }
  unrolled<Count * Registers>([&]<int I>() { store(s[I], r + I * lanes<T>); });
}

// y += Σ_k φ_k r_k, ascending, over the same columns
template <int Count, int Registers, class T>
void spread(const T* phi, index n, index begin, index end, const T* r, T* y) {
  Register<T> s[Count * Registers], yj[Registers];
  unrolled<Count * Registers>([&]<int I>() { s[I] = load<Register<T>>(r + I * lanes<T>); });
  for (index j = begin; j < end; ++j) {
    unrolled<Registers>([&]<int C>() { yj[C] = load<Register<T>>(y + (j * Registers + C) * lanes<T>); });
    unrolled<Count>([&]<int K>() {
      const Register<T> a(phi[K * n + j]);
      unrolled<Registers>([&]<int C>() { yj[C] = madd(a, s[K * Registers + C], yj[C]); });
    });
    unrolled<Registers>([&]<int C>() { store(yj[C], y + (j * Registers + C) * lanes<T>); });
  }
}

inline constexpr int group = register_bytes == 64 ? 8 : 4;  // rows whose sums with two registers of vectors fit the register file
inline constexpr index most_rows = 64, tile = 128;          // of a block, which stays in the cache; of columns, whose v and y do

// y += Φᵀ(s∘(Φv)) for one panel and a block of at most most_rows rows
template <int Registers, class T> void sweep_block(const T* phi, index rows, index n, const T* weights, const T* v, T* y) {
  constexpr index width = Registers * lanes<T>;
  alignas(64) T r[most_rows * width] = {};
  const auto each_group = [&](const auto& f) {
    index i = 0;
    for (; i + group <= rows; i += group) f.template operator()<group>(i);
    for (; i < rows; ++i) f.template operator()<1>(i);
  };
  for (index j = 0; j < n; j += tile)
    each_group([&]<int Count>(index i) { dots<Count, Registers>(phi + i * n, n, j, std::min(n, j + tile), v, r + i * width); });
  if (weights)
    for (index i = 0; i < rows; ++i)
      for (index c = 0; c < width; ++c) r[i * width + c] *= weights[i];
  for (index j = 0; j < n; j += tile)
    each_group([&]<int Count>(index i) { spread<Count, Registers>(phi + i * n, n, j, std::min(n, j + tile), r + i * width, y); });
}

template <int Registers, class T>
void dense_panels(const T* phi, index rows, index n, index vectors, const GramCall<T>& call, Pulse& pulse) {
  const Panels<T> panels(n, vectors, Registers);
  const Shards shards(rows, n, vectors);
  const index wanted = (512 << 10) / std::max<index>(1, n * index(sizeof(T)));
  const index block = std::clamp<index>(wanted / group * group, group, most_rows);
  const Workspace memory(2 * (panels.size() * index(sizeof(T)) + 64));
  T* const packed = reinterpret_cast<T*>(memory.data());
  T* const total = reinterpret_cast<T*>(memory.data() + (panels.size() * index(sizeof(T)) + 63) / 64 * 64);
  const Partials<T> sums(shards.count, panels.size(), total);
  panels.pack(call.v, packed);
  for_each(shards.count, [&](index k, int, Pulse& own) {
    T* const y = sums.of(k);
    std::fill_n(y, panels.size(), T(0));
    const index last = shards.begin(k) + shards.size(k);
    for (index i = shards.begin(k); i < last && !own(2 * block * n * vectors); i += block)
      for (index p = 0; p < panels.count; ++p) {
        const index at = p * n * panels.width;
        const T* const weights = call.weights ? call.weights + i : nullptr;
        sweep_block<Registers>(phi + i * n, std::min(block, last - i), n, weights, packed + at, y + at);
      }
  }, pulse);
  sums.add_up([](index, index) {}, pulse);
  panels.unpack(total, call);
}

template <class T> void dense_many(const T* phi, index rows, index n, index vectors, const GramCall<T>& call, Pulse& pulse) {
  if (vectors <= lanes<T>)
    dense_panels<1>(phi, rows, n, vectors, call, pulse);
  else
    dense_panels<2>(phi, rows, n, vectors, call, pulse);
}

// y_j += d_j v_j for j from begin to end
template <class T> void add_shift(const T* shifts, const T* v, T* y, index begin, index end) {
  if (shifts)
    for (index j = begin; j < end; ++j) y[j] = madd(shifts[j], v[j], y[j]);
}

template <class T> void dense(const DenseBatch<T>& batch, const GramCall<T>& call, Pulse& pulse) {
  const index rows = batch.rows, n = batch.cols;
  const Shards shards(rows, n);
  const index together = std::clamp<index>((1 << 16) / std::max<index>(1, rows * n), 1, 1024);  // small products per item
  for_each((batch.batch + together - 1) / together, [&](index item, int, Pulse& own) {
    for (index k = item * together; k < std::min(batch.batch, (item + 1) * together); ++k) {
      const T* const weights = call.weights ? call.weights + k * call.weights_stride : nullptr;
      const T *const shift = call.shifts ? call.shifts + k * call.shifts_stride : nullptr, *const v = call.v + k * n;
      const PooledGram<T> gram{{batch.phi + k * batch.stride, rows, n, T(1), weights}};
      const auto finish = [=, y = call.y + k * n](index begin, index end) { add_shift(shift, v, y, begin, end); };
      if (own(gram.madds())) return;
      if (shards.count > 1) {
        gram.sweep_shards(shards, v, static_cast<const T*>(nullptr), call.y + k * n, finish, own);
      } else {
        gram.Gram<T>::apply(Solo{}, v, call.y + k * n);
        finish(0, n);
      }
    }
  }, pulse);
}

// The vectors c to c + Registers·Lanes − 1 of (n, vectors): a register that would reach beyond the last begins earlier, and does some a
// second time. So y is loaded whole before any of it is stored.
template <int Lanes, int Registers> struct Columns {
  index first, last;  // of the first register, and of the last one from there

  Columns(index c, index vectors) : first(c), last(std::min((Registers - 1) * index(Lanes), vectors - Lanes - c)) {}
  index at(int k) const { return k == Registers - 1 ? last : k * Lanes; }

  // y += φᵢᵀ(sᵢ(φᵢ v)) for one row of a sparse Φ.
  template <class T, class I> void sweep_row(const Csr<T, I>& phi, index i, index vectors, const T* weights, const T* v, T* y) const {
    using P = Pack<T, Lanes>;
    P r[Registers], next[Registers];
    for (P& s : r) s = P(0);
    const index begin = phi.starts[i], end = phi.starts[i + 1];
    for (index p = begin; p < end; ++p) {
      const P a(phi.values[p]);
      const T* const from = v + phi.columns[p] * vectors + first;
      for (int k = 0; k < Registers; ++k) r[k] = madd(a, load<P>(from + at(k)), r[k]);
    }
    if (weights)
      for (P& s : r) s = s * P(weights[i]);
    for (index p = begin; p < end; ++p) {
      const P a(phi.values[p]);
      T* const to = y + phi.columns[p] * vectors + first;
      for (int k = 0; k < Registers; ++k) next[k] = madd(a, r[k], load<P>(to + at(k)));
      for (int k = 0; k < Registers; ++k) store(next[k], to + at(k));
    }
  }
};

// Rows with about as many entries each, divided by their first rows. A shard has a sum of its own, which costs as much as some entries
// per column: `apart` of them are worth it.
template <class T, class I> std::vector<index> sparse_shards(const Csr<T, I>& phi, index least, index apart) {
  const index entries = phi.entries();
  const index count = entries < (1 << 17) ? 1 : std::clamp<index>(entries / std::max<index>(1, apart * phi.cols), least, 64);
  std::vector<index> begins{0};
  for (index k = 1; k < count; ++k) {
    const I at = I(phi.starts[0] + entries / count * k);
    const index row = std::lower_bound(phi.starts, phi.starts + phi.rows, at) - phi.starts;
    if (row > begins.back()) begins.push_back(row);
  }
  if (phi.rows > begins.back()) begins.push_back(phi.rows);
  return begins;
}

inline constexpr const char* unsound = "Phi: its columns or starts of rows are out of range; see Phi.check_format()";

// Columns outside of Φ would be read and written outside of memory; here they are in the cache, about to be used
template <class T, class I> void require_sound(const Csr<T, I>& phi, index first, index last) {
  I seen = 0;  // negative where a column, or its distance to the last one, is
  for (index p = phi.starts[first]; p < phi.starts[last]; ++p) seen |= phi.columns[p] | I(I(phi.cols - 1) - phi.columns[p]);
  if (seen < 0) throw std::invalid_argument(unsound);
}

// Rows from one on, as many as `most`, with about as many entries as stay in a cache of the third level
template <class T, class I> index end_of_block(const Csr<T, I>& phi, index first, index end, index most) {
  constexpr index entries = 1 << 18;
  const index last = std::min(end, first + most);
  const index fit = std::upper_bound(phi.starts + first + 1, phi.starts + last + 1, phi.starts[first] + I(entries)) - phi.starts - 1;
  return std::max(first + 1, fit);
}

// f(first row, last row, sum) for the blocks of each shard, then the total, which `finish` is told of
template <class T, class I, class F, class Finish>
void sweep_sparse(const Csr<T, I>& phi, index vectors, index most_rows, const GramCall<T>& call, const F& f, const Finish& finish, Pulse& pulse) {
  if (!std::is_sorted(phi.starts, phi.starts + phi.rows + 1)) throw std::invalid_argument(unsound);
  const std::vector<index> begins = sparse_shards(phi, vectors > 1 ? 2 : 4, vectors > 1 ? 8 : 4);
  const index count = std::max<index>(1, index(begins.size()) - 1), size = phi.cols * vectors;
  const Partials<T> sums(count, size, call.y);
  for_each(count, [&](index k, int, Pulse& own) {
    std::fill_n(sums.of(k), size, T(0));
    if (phi.rows == 0) return;
    for (index i = begins[k], last; i < begins[k + 1]; i = last) {
      last = end_of_block(phi, i, begins[k + 1], most_rows);
      if (own(2 * vectors * (phi.starts[last] - phi.starts[i]))) return;
      require_sound(phi, i, last);
      f(i, last, sums.of(k));
    }
  }, pulse);
  sums.add_up(finish, pulse);
}

template <int Lanes, int Registers, class T, class I>
void sweep_columns(const Csr<T, I>& phi, index c, index vectors, const GramCall<T>& call, index first, index last, T* y) {
  const Columns<Lanes, Registers> columns(c, vectors);
  for (index i = first; i < last; ++i) columns.sweep_row(phi, i, vectors, call.weights, call.v, y);
}

// All vectors, in registers of the widest Lanes that they fill
template <int Lanes, class T, class I>
void sweep_vectors(const Csr<T, I>& phi, index vectors, const GramCall<T>& call, index first, index last, T* y) {
  if constexpr (Lanes > 2)
    if (vectors < Lanes) return sweep_vectors<Lanes / 2>(phi, vectors, call, first, last, y);
  for (index c = 0, left = (vectors + Lanes - 1) / Lanes; left > 0;) {
    const index taken = left == 7 ? 4 : std::min<index>(left, 6);  // never 1 of several: the last register overlaps one beside it
    constexpr decltype(&sweep_columns<Lanes, 1, T, I>) by_registers[] = {
        &sweep_columns<Lanes, 1, T, I>, &sweep_columns<Lanes, 2, T, I>, &sweep_columns<Lanes, 3, T, I>,
        &sweep_columns<Lanes, 4, T, I>, &sweep_columns<Lanes, 5, T, I>, &sweep_columns<Lanes, 6, T, I>};
    by_registers[taken - 1](phi, c, vectors, call, first, last, y);
    c += taken * Lanes, left -= taken;
  }
}

template <class T, class I> void sparse(const Csr<T, I>& phi, index vectors, const GramCall<T>& call, Pulse& pulse) {
  if (vectors > 1)
    return sweep_sparse(phi, vectors, 64, call, [&](index first, index last, T* y) {
      sweep_vectors<lanes<T>>(phi, vectors, call, first, last, y);
    }, [&](index begin, index end) {
      if (call.shifts)
        for (index j = begin; j < end; ++j) call.y[j] = madd(call.shifts[j / vectors], call.v[j], call.y[j]);
    }, pulse);
  constexpr index most_rows = 4096;
  const bool gathers = gathers_fast();
  sweep_sparse(phi, 1, most_rows, call, [&](index first, index last, T* y) {
    T r[most_rows];  // of all rows before y is touched: the two vectors take turns in the second-level cache
    for (index i = first; i < last; ++i) r[i - first] = gathers ? gathered_dot(phi, i, call.v) : phi.dot_row(Solo{}, i, call.v);
    for (index i = first; i < last; ++i) phi.add_row(Solo{}, i, call.weights ? r[i - first] * call.weights[i] : r[i - first], y);
  }, [&](index begin, index end) { add_shift(call.shifts, call.v, call.y, begin, end); }, pulse);
}

}  // namespace

template <class T> GramKernels<T> gram_kernels() { return {&dense<T>, &dense_many<T>, &sparse<T, int>, &sparse<T, index>}; }
template GramKernels<float> gram_kernels<float>();
template GramKernels<double> gram_kernels<double>();

}  // namespace pyblo
