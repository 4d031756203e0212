// How a batch is spread: as many problems as a pack has lanes go side by side while their data fit the cache, the others alone;
// packs and lone problems are shared out among the threads. The bits are the same whatever is chosen.
#pragma once
#include "buffer.hpp"
#include "cache.hpp"
#include "outcome.hpp"
#include "pyblo/core/pack.hpp"
#include "threads.hpp"

namespace pyblo {

template <class R> inline constexpr int widest = register_bytes / int(sizeof(R));
template <class R> using Lanes = Pack<R, widest<R>>;

// The division of a batch into packs of `lanes` problems, and problems alone
class Division {
 public:
  Division(index count, int lanes) : lanes_(lanes), packs_(lanes > 1 ? count / lanes : 0), rest_(count - packs_ * lanes), last_live_(lanes) {
    if (lanes > 1 && rest_ > lanes / 4) last_live_ = int(rest_), rest_ = 0, ++packs_;  // so many are faster beside idle lanes than alone
  }
  index items() const { return packs_ + rest_; }
  bool packed(index item) const { return item < packs_; }
  Group group(index item) const {
    if (item >= packs_) return {lanes_ * packs_ + (item - packs_), 1};
    return {lanes_ * item, item + 1 == packs_ ? last_live_ : lanes_};
  }

 private:
  int lanes_;
  index packs_, rest_;
  int last_live_;
};

// run(begin, end, scratch, pulse) for all items, some at a time, each worker with `bytes` of working memory; on the caller's thread in their
// order where asked
template <class Run> void share_out_portions(index count, index bytes, const Run& run, Pulse& pulse, bool on_caller = false) {
  constexpr index most = 32;  // where there are many: to fetch one costs as much as a tiny problem
  const index share = count / (16 * num_threads()), at_once = share < 1 ? 1 : share > most ? most : share, portions = (count + at_once - 1) / at_once;
  const auto portion = [&](index k, Scratch scratch, Pulse& own) {
    run(k * at_once, (k + 1) * at_once < count ? (k + 1) * at_once : count, scratch, own);
  };

  if (on_caller) {
    const Buffer memory(bytes);
    for (index k = 0; k < portions && !pulse.stopped; ++k) portion(k, memory.scratch(), pulse);
    return;
  }
  const Buffer memory(workers(portions) * (bytes + 64));
  for_each(portions, [&](index k, int worker, Pulse& own) {
    portion(k, Scratch{memory.data() + worker * ((bytes + 63) / 64 * 64), 0}, own);
  }, pulse);
}

// run(item, scratch, pulse) for every item, likewise
template <class Run> void share_out(index count, index bytes, const Run& run, Pulse& pulse, bool on_caller = false) {
  share_out_portions(count, bytes, [&](index begin, index end, Scratch scratch, Pulse& own) {
    for (index item = begin; item < end && !own.stopped; ++item) run(item, scratch, own);
  }, pulse, on_caller);
}

}  // namespace pyblo
