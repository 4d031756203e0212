// How a batch is spread: as many problems as a pack has lanes go side by side while their data fit the cache, the others alone;
// packs and lone problems are shared out among the threads. The bits are the same whatever is chosen.
#pragma once
#include "buffer.hpp"
#include "outcome.hpp"
#include "pyblo/core/pack.hpp"
#include "threads.hpp"

namespace pyblo {

template <class R> inline constexpr int widest = register_bytes / int(sizeof(R));
template <class R> using Lanes = Pack<R, widest<R>>;

// Whether what a pack reads again and again, so many bytes, stays in a second-level cache of 1 MiB or more beside the rest
inline bool stays_in_cache(index bytes) { return bytes <= 3 << 19; }

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

// each(item, scratch, pulse) for every item, each worker with `bytes` of working memory; on the caller's thread in their order where asked
template <class Run> void share_out(index count, index bytes, const Run& each, Pulse& pulse, bool on_caller = false) {
  constexpr index most = 16;  // items at a time, where there are many: to fetch one costs as much as a tiny problem
  const index at_once = count / 256 < 1 ? 1 : count / 256 > most ? most : count / 256, items = (count + at_once - 1) / at_once;
  const auto run = [&](index item, Scratch scratch, Pulse& own) {
    const index end = (item + 1) * at_once < count ? (item + 1) * at_once : count;
    for (index k = item * at_once; k < end && !own.stopped; ++k) each(k, scratch, own);
  };

  if (on_caller) {
    const Buffer memory(bytes);
    for (index item = 0; item < items && !pulse.stopped; ++item) run(item, memory.scratch(), pulse);
    return;
  }
  const Buffer memory(workers(items) * (bytes + 64));
  for_each(items, [&](index item, int worker, Pulse& own) {
    run(item, Scratch{memory.data() + worker * ((bytes + 63) / 64 * 64), 0}, own);
  }, pulse);
}

}  // namespace pyblo
