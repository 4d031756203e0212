// The Gram form y = Φᵀ(S(Φx − t)), Φ (rows, cols), in one pass over Φ; ΦᵀΦ is never formed. S is one weight, or one per row.
#pragma once
#include "../level1.hpp"
#if !defined(__CUDACC__)
#include "../pack.hpp"
#endif

namespace pyblo {

#if !defined(__CUDACC__)
template <class V> inline constexpr bool is_real = false;
template <> inline constexpr bool is_real<float> = true;
template <> inline constexpr bool is_real<double> = true;

// What is asked for from memory while the rows at hand are in the cache: of rows of at most 16 KiB, every line that lies 64 KiB ahead
// (without two of the fifty of four rows of 100 doubles, they take 1.7 times as long); of longer ones, which the processor foresees by
// itself, the first parts of the next four.
enum class Ahead { far, starts };

// Four rows of Φ against x, and onto y, in registers: y is loaded and stored once for all of them. Every sum has the shape it has
// row by row, so the bits are the same. A register may reach beyond its row, into the next ones: those lanes are masked or dropped.
template <class T, class V> class RowBlocks {
 public:
  RowBlocks(const T* end, index n, const V* x, V* y) : end_(end), n_(n), x_(x), y_(y) {
    const index whole = n / 32 * 32;
    for (int j = 0; j < 32; ++j) rest_[j] = whole + j < n ? x[whole + j] : V(0);
    for (int j = 0; j < lanes; ++j) inside_.v[j] = j < n % lanes ? -1 : 0;
    for (index j = 0; j < n; ++j) y[j] = V(0);
    const index lines = n * index(sizeof(T)) / 16, parts = (n + lanes - 1) / lanes;  // of four rows, and of y
    share_ = (select(lines < 64, lines, lines / 2 + 32) + parts / 2) / parts;
  }

  static const char* far_from(const T* phi) { return reinterpret_cast<const char*>(phi) + (64 << 10); }

  // r_k = φ_k·x, for the Count rows from phi on
  template <int Count, Ahead Mode> void dots(const T* phi, V* r, const char*& ahead) const {
    const index n = n_;
    const V* const x = x_;
    Register s[Count * width];
    unrolled<Count * width>([&]<int I>() { s[I] = Register(0); });
    index i = 0;
    for (; i + 32 <= n; i += 32) {
      if constexpr (Mode == Ahead::far)
        if (i * index(sizeof(T)) >= 1024) request(Count * sizeof(T) / 4, ahead);  // half; until then, what spread asked for arrives
      unrolled<width>([&]<int C>() {
        const Register xc = load(x + i + C * lanes);
        unrolled<Count>([&]<int K>() { s[K * width + C] = madd(load(phi + K * n + i + C * lanes), xc, s[K * width + C]); });
      });
    }
    const index left = n - i;
    unrolled<width>([&]<int C>() {
      if (C * lanes >= left) return;
      const Register xc = load(rest_ + C * lanes);
      const bool full = (C + 1) * lanes <= left;
      unrolled<Count>([&]<int K>() {
        const T* const p = phi + K * n + i + C * lanes;
        Register& sum = s[K * width + C];
        sum = madd(full ? load(p) : select(inside_, load_rest(p), Register(V(-0.0))), xc, sum);  // −0·0 adds nothing
      });
    });
    unrolled<Count>([&]<int K>() { r[K] = halving_sum<width>(s + K * width); });
  }

  // y += Σ_k r_k φ_k, ascending
  template <int Count, Ahead Mode> void spread(const T* phi, const V* r, const char*& ahead) {
    const index n = n_;
    V* const y = y_;
    const index share = share_;
    Register factor[Count];
    unrolled<Count>([&]<int K>() { factor[K] = Register(r[K]); });
    index j = 0;
    for (; j + lanes <= n; j += lanes) {
      if constexpr (Mode == Ahead::far)
        request(share, ahead);
      else
        ask(phi + (Count + j / lanes % Count) * n + j / lanes / Count * (64 / index(sizeof(T))));
      Register v = load(y + j);
      unrolled<Count>([&]<int K>() { v = madd(load(phi + K * n + j), factor[K], v); });
      store(v, y + j);
    }
    if constexpr (Mode == Ahead::far)
      for (const char* const end = far_from(phi + Count * n); ahead < end; ahead += 64) ask(ahead);
    if (j < n) unrolled<Count>([&]<int K>() { y_rest_ = madd(load_rest(phi + K * n + j), factor[K], y_rest_); });
  }

  // The outputs that fill no register, after the last row
  void finish() {
    for (index j = n_ / lanes * lanes; j < n_; ++j) y_[j] = y_rest_.v[j % lanes];
  }

 private:
  static constexpr int lanes = register_bytes / int(sizeof(V)), width = 32 / lanes;
  using Register = Pack<V, lanes>;

  template <class U> static Register load(const U* p) {
    return convert<Register>(pyblo::load<Pack<U, lanes>>(p));
  }
  Register load_rest(const T* p) const {
    if (p + lanes <= end_) return load(p);
    T copy[lanes] = {};
    for (index j = 0; p + j < end_; ++j) copy[j] = p[j];
    return load(copy);
  }
  static void ask(const void* p) { __builtin_prefetch(p, 0, 2); }  // into the second level of cache
  static void request(index lines, const char*& ahead) {
    do {
      ask(ahead);
      ahead += 64;
    } while (--lines > 0);
  }

  const T* end_;
  index n_;
  const V* x_;
  V* y_;
  index share_;  // of the lines that dots leaves to spread: how many are asked for at each register of y
  alignas(64) V rest_[32];  // the last x, those that fill no 32
  Mask<V, lanes> inside_;   // the lanes of a register that fills no 32
  Register y_rest_ = Register(0);
};
#endif

template <class T> struct Gram {
  const T* phi;
  index rows, cols;
  T weight;
  const T* weights = nullptr;  // (rows,), times weight

  index size() const { return cols; }
  index madds() const { return 2 * rows * cols; }

  // y = Φᵀ(S(Φx − t)), t = 0 where null; returns ½(Φx − t)ᵀS(Φx − t)
  template <class G, class V> V sweep(G team, const V* x, const T* target, V* y) const {
#if !defined(__CUDACC__)
    if constexpr (__is_same(G, Solo) && is_real<T> && is_real<V>)
      if (cols > 8) return sweep_blocks(x, target, y);  // no register is worth it for less
#endif
    const index n = cols;
    V energy = V(0);
    team.each(n, [=](index j) { y[j] = V(0); });
    for (index i = 0; i < rows; ++i) {
      const T* row = phi + i * n;
      V r = team.template sum<V>(n, [=](index j, V s) { return madd(convert<V>(row[j]), x[j], s); });
      const V scaled = scale(i, target, r, energy);
      team.each(n, [=](index j) { y[j] = madd(convert<V>(row[j]), scaled, y[j]); });
    }
    team.sync();
    return energy * V(0.5);
  }

  template <class G, class V> void apply(G team, const V* x, V* y) const { sweep(team, x, static_cast<const T*>(nullptr), y); }
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const { apply(team, x, y); }
  template <class G, class V> void apply_many(G team, index count, const V* x, V* y) const {
    for (index k = 0; k < count; ++k) apply(team, x + k * cols, y + k * cols);
  }

 private:
  // s_i(r − t_i), whose product with r − t_i is added to the energy
  template <class V> V scale(index i, const T* target, V r, V& energy) const {
    if (target) r = r - convert<V>(target[i]);
    const V scaled = r * convert<V>(weights ? weights[i] * weight : weight);
    energy = madd(r, scaled, energy);
    return scaled;
  }

#if !defined(__CUDACC__)
  template <class V> V sweep_blocks(const V* x, const T* target, V* y) const {
    RowBlocks<T, V> blocks(phi + rows * cols, cols, x, y);
    V energy = V(0);
    index i = 0;
    if (cols * index(sizeof(T)) <= 16384)
      sweep_rows<4, Ahead::far>(blocks, i, target, energy);
    else
      sweep_rows<4, Ahead::starts>(blocks, i, target, energy);
    sweep_rows<1, Ahead::starts>(blocks, i, target, energy);
    blocks.finish();
    return energy * V(0.5);
  }

  // From row i on, Count at a time while there are as many
  template <int Count, Ahead Mode, class V> void sweep_rows(RowBlocks<T, V>& blocks, index& i, const T* target, V& energy) const {
    for (; i + Count <= rows; i += Count) {
      const T* const block = phi + i * cols;
      const char* ahead = blocks.far_from(block);
      V r[Count];
      blocks.template dots<Count, Mode>(block, r, ahead);
      for (int k = 0; k < Count; ++k) r[k] = scale(i + k, target, r[k], energy);
      blocks.template spread<Count, Mode>(block, r, ahead);
    }
  }
#endif
};

}  // namespace pyblo
