// Runs a CUDA kernel on the CPU, unchanged: each CUDA thread is a fibre, a block runs to its end before the next begins, and
// every synchronisation is a yield. The threads that synchronise must meet at the same synchronisations, else launch throws.
//
// What a lane wrote is seen by those that run after it even without a sync: run a kernel in both orders of lanes and compare.
// Grids and blocks have one dimension; only the intrinsics at the end are there.
#pragma once
#include <ucontext.h>

#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#define __global__
#define __shared__
#define __launch_bounds__(...)

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

namespace emu {

enum class Order { ascending, descending };

struct Fibre {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  bool done = false;
  long met = 0;             // synchronisations so far
  int kind = 0;             // of the last one: -1 for a block's, 0 for a warp's, d for a shuffle by d
  unsigned mask = 0;        // and who of the warp takes part
  unsigned char slot[2][8]; // what shuffles publish, in turn
};

inline constexpr unsigned warp = 32, stack_bytes = 1 << 16;
inline std::vector<Fibre> fibres;
inline ucontext_t scheduler;
inline unsigned current;
inline dim3 grid_size, block_size, block_number;
inline std::function<void()> body;

inline void yield(int kind, unsigned mask) {
  Fibre& f = fibres[current];
  ++f.met;
  f.kind = kind;
  f.mask = mask;
  swapcontext(&f.context, &scheduler);
}

inline void enter() {
  body();
  fibres[current].done = true;
  swapcontext(&fibres[current].context, &scheduler);
}

inline void start_block(unsigned threads) {
  fibres = std::vector<Fibre>(threads);
  for (Fibre& f : fibres) {
    f.stack = std::make_unique<char[]>(stack_bytes);
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack.get();
    f.context.uc_stack.ss_size = stack_bytes;
    makecontext(&f.context, enter, 0);
  }
}

inline bool together(const Fibre& f, const Fibre& g) {
  return f.done == g.done && f.met == g.met && f.kind == g.kind && f.mask == g.mask;
}

inline void check_teams() {
  for (unsigned t = 0; t < fibres.size(); ++t) {
    const Fibre& f = fibres[t];
    bool fair = f.met == 0 || f.kind < 0 || f.mask >> t % warp & 1;
    for (unsigned lane = 0; lane < warp; ++lane)
      if (f.mask >> lane & 1) fair = fair && together(f, fibres[t / warp * warp + lane]);
    if (f.kind < 0) fair = fair && together(f, fibres[0]);
    if (!fair) throw std::runtime_error("the threads of a team wait at different synchronisations");
  }
}

// kernel() by every thread of the grid; the sum of what the threads met is returned
template <class Kernel> long launch(unsigned grid, unsigned threads, Order order, Kernel kernel) {
  body = kernel;
  grid_size = {grid};
  block_size = {threads};
  long met = 0;
  for (unsigned b = 0; b < grid; ++b) {
    block_number = {b, 0, 0};
    start_block(threads);
    for (bool live = true; live; check_teams()) {
      live = false;
      for (unsigned k = 0; k < threads; ++k) {
        current = order == Order::ascending ? k : threads - 1 - k;
        if (fibres[current].done) continue;
        swapcontext(&scheduler, &fibres[current].context);
        live = true;
      }
    }
    for (const Fibre& f : fibres) met += f.met;
  }
  return met;
}

}  // namespace emu

#define gridDim emu::grid_size
#define blockDim emu::block_size
#define blockIdx emu::block_number
#define threadIdx (dim3{emu::current, 0, 0})

inline void __syncwarp(unsigned mask) { emu::yield(0, mask); }
inline void __syncthreads() { emu::yield(-1, 0); }

template <class T> T __shfl_xor_sync(unsigned mask, T value, int distance) {
  const long turn = emu::fibres[emu::current].met % 2;  // two slots in turn: who is ahead does not overwrite what is still read
  std::memcpy(emu::fibres[emu::current].slot[turn], &value, sizeof value);
  emu::yield(distance, mask);
  std::memcpy(&value, emu::fibres[emu::current ^ unsigned(distance)].slot[turn], sizeof value);
  return value;
}
