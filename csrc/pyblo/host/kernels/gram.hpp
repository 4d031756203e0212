// y = Φᵀ(s∘(Φv)) + d∘v in one pass over Φ, dense or sparse, on all threads. Rows are divided into shards, whose number depends on the
// shape of Φ alone; each has its own sum, and the sums are added in the order of the shards: the bits do not depend on the threads.
#pragma once
#include <algorithm>
#include <type_traits>
#include <vector>

#include "pyblo/core/operator/csr.hpp"
#include "pyblo/core/operator/gram.hpp"
#include "pyblo/host/buffer.hpp"
#include "pyblo/host/threads.hpp"

namespace pyblo {

// Rows begin(k) to begin(k + 1) are shard k of a dense Φ; there is one where Φ is small
struct Shards {
  index rows, step, count;

  Shards(index rows, index cols, index vectors = 1) : rows(rows) {
    const index sum = std::max<index>(1, cols * vectors), spare = std::max<index>(8, (3 << 20) / sum);  // sums take a few caches at most
    const index most = std::min<index>({64, rows * cols >> 16, rows / std::max<index>(32, 4 * vectors), spare});
    const index wanted = rows * cols < (1 << 18) ? 1 : std::max<index>(1, most);
    step = std::max<index>(8, (rows / wanted + 7) / 8 * 8);
    count = std::max<index>(1, (rows + step - 1) / step);
  }
  index begin(index k) const { return std::min(rows, k * step); }
  index size(index k) const { return begin(k + 1) - begin(k); }
};

// Working memory that a thread keeps for its next product: to have as many pages from the system anew takes longer than the product.
class Workspace {
 public:
  explicit Workspace(index bytes) {
    auto& kept = spare();
    const auto fits = std::find_if(kept.begin(), kept.end(), [=](const Piece& p) { return p.bytes >= bytes && p.bytes / 4 <= bytes; });
    if (fits == kept.end()) {
      piece_ = {bytes, Buffer(bytes)};
    } else {
      piece_ = std::move(*fits);
      kept.erase(fits);
    }
  }
  Workspace(const Workspace&) = delete;
  ~Workspace() {
    if (piece_.bytes > most) return;
    auto& kept = spare();
    if (kept.size() == count) kept.erase(kept.begin());
    kept.push_back(std::move(piece_));  // within the capacity that spare() reserved
  }
  char* data() const { return piece_.buffer.data(); }

 private:
  static constexpr index most = 64 << 20;
  static constexpr std::size_t count = 4;
  struct Piece {
    index bytes = 0;
    Buffer buffer{0};
  };
  static std::vector<Piece>& spare() {
    thread_local std::vector<Piece> kept = [] {
      std::vector<Piece> v;
      v.reserve(count);
      return v;
    }();
    return kept;
  }
  Piece piece_;
};

// The sums of the shards, each of whole cache lines; the first stands where the total will
template <class V> class Partials {
 public:
  Partials(index count, index size, V* total)
      : count_(count), size_(size), stride_((size * index(sizeof(V)) + 63) / 64 * 64 / index(sizeof(V))), total_(total),
        memory_((count - 1) * stride_ * index(sizeof(V))) {}

  V* of(index k) const { return k ? reinterpret_cast<V*>(memory_.data()) + (k - 1) * stride_ : total_; }

  // finish(j, end) follows for the outputs j … end − 1 once they are there
  template <class F> void add_up(const F& finish, Pulse& pulse) const {
    constexpr index chunk = 2048;
    for_each((size_ + chunk - 1) / chunk, [&](index item, int, Pulse&) {
      const index begin = item * chunk, end = std::min(size_, begin + chunk);
      for (index k = 1; k < count_; ++k) {
        const V* const part = of(k);
        for (index j = begin; j < end; ++j) total_[j] = total_[j] + part[j];
      }
      finish(begin, end);
    }, pulse);
  }

 private:
  index count_, size_, stride_;
  V* total_;
  Workspace memory_;
};

// A Gram operator whose sweep over a large Φ is shared out among the threads
template <class T> struct PooledGram : Gram<T> {
  template <class G, class V> V sweep(G team, const V* x, const T* target, V* y) const {
    if constexpr (std::is_same_v<G, Solo> && is_real<V>) {
      const Shards shards(this->rows, this->cols);
      if (shards.count > 1) {
        Pulse pulse;  // one product: the algorithm asks between products
        return sweep_shards(shards, x, target, y, [](index, index) {}, pulse);
      }
    }
    return Gram<T>::sweep(team, x, target, y);
  }
  template <class G, class V> void apply(G team, const V* x, V* y) const { sweep(team, x, static_cast<const T*>(nullptr), y); }
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const { apply(team, x, y); }
  template <class G, class V> void apply_many(G team, index count, const V* x, V* y) const {
    for (index k = 0; k < count; ++k) apply(team, x + k * this->cols, y + k * this->cols);
  }

  template <class V, class F>
  V sweep_shards(const Shards& shards, const V* x, const T* target, V* y, const F& finish, Pulse& pulse) const {
    const Partials<V> sums(shards.count, this->cols, y);
    std::vector<V> energies(shards.count);
    for_each(shards.count, [&](index k, int, Pulse& own) {
      const index first = shards.begin(k);
      const T* const weights = this->weights ? this->weights + first : nullptr;
      const Gram<T> part{this->phi + first * this->cols, shards.size(k), this->cols, this->weight, weights};
      energies[k] = part.sweep(Solo{}, x, target ? target + first : nullptr, sums.of(k));
      own(part.madds());
    }, pulse);
    sums.add_up(finish, pulse);
    V energy = V(0);
    for (const V part : energies) energy = energy + part;
    return energy;
  }
};

// What a product needs besides Φ. Strides of zero share one vector among the products of a batch.
template <class T> struct GramCall {
  const T* v;        // (batch, cols), or (cols, vectors)
  const T* weights;  // (batch, rows); null: 1
  const T* shifts;   // (batch, cols); null: 0
  index weights_stride, shifts_stride;
  T* y;              // like v
};

template <class T> struct DenseBatch {
  const T* phi;
  index batch, rows, cols, stride;
};

template <class T> struct GramKernels {
  void (*dense)(const DenseBatch<T>&, const GramCall<T>&, Pulse&);
  void (*dense_many)(const T* phi, index rows, index cols, index vectors, const GramCall<T>&, Pulse&);
  void (*csr32)(const Csr<T, int>&, index vectors, const GramCall<T>&, Pulse&);
  void (*csr64)(const Csr<T, index>&, index vectors, const GramCall<T>&, Pulse&);
};
template <class T> GramKernels<T> gram_kernels();

}  // namespace pyblo
