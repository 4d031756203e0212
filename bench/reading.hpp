// Reading memory in the widest registers, on several threads at once.
#pragma once
#include <algorithm>
#include <barrier>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int width = 64;
#elif defined(__AVX2__)
constexpr int width = 32;
#else
constexpr int width = 16;
#endif

template <class R> struct Vector { typedef R type __attribute__((vector_size(width))); };

#if defined(__x86_64__)
#define KEEP(v) asm volatile("" : "+x"(v))
#else
#define KEEP(v) asm volatile("" : "+w"(v))
#endif

inline double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The time from the first start to the last end of `threads` workers that do body(worker)
template <class F> double together(int threads, F body) {
  std::barrier gate(threads);
  std::vector<double> starts(threads), ends(threads);
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      gate.arrive_and_wait();
      starts[t] = now();
      body(t);
      ends[t] = now();
    });
  for (auto& worker : workers) worker.join();
  return *std::max_element(ends.begin(), ends.end()) - *std::min_element(starts.begin(), starts.end());
}

// Each of `threads` workers reads its part of `bytes`, `passes` times
struct Reading {
  static constexpr int chains = 8;
  const char* data;
  long part;  // registers of each worker
  int threads;

  Reading(const char* data, long bytes, int threads) : data(data), part(bytes / threads / (chains * width) * chains), threads(threads) {}

  double bytes() const { return double(part) * width * threads; }
  double seconds(long passes) const {
    typedef Vector<double>::type V __attribute__((aligned(8)));
    return together(threads, [=, this](int t) {
      const V* p = reinterpret_cast<const V*>(data) + t * part;
      Vector<double>::type s[chains] = {};
      for (long pass = 0; pass < passes; ++pass)
        for (long i = 0; i < part; i += chains)
#pragma GCC unroll 8
          for (int j = 0; j < chains; ++j) {
            s[j] += p[i + j];
            KEEP(s[j]);
          }
    });
  }
};
