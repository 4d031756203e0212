// The physical limits of this machine: FMA rate and read bandwidth, on one thread and on several.
//   limits <name> <most threads> <bytes>...      one line per limit: "fma <name> <dtype> <threads> <GFLOP/s>",
//   "clock <name> - 1 <GHz>", "read <bytes> <register bytes> <threads> <GB/s>". Best of several.
#include <cstdio>
#include <cstdlib>

#include "reading.hpp"

constexpr long private_cache = 4 << 20;  // up to here `bytes` are per thread: each has its own L1 and L2

#if defined(__x86_64__)
#define STEP(i) asm volatile("add %0, %0" : "+r"(i))
#else
#define STEP(i) asm volatile("add %0, %0, %0" : "+r"(i))
#endif

// The shortest of several times that run() takes
template <class F> double best(int rounds, F run) {
  double least = run();
  for (int round = 1; round < rounds; ++round) least = std::min(least, run());
  return least;
}

// Twelve chains: more than the latency of an fma times the units that do them
template <class R> double fma_rate(int threads) {
  using V = typename Vector<R>::type;
  constexpr long steps = 4'000'000;
  constexpr int chains = 12;
  const auto run = [](int) {
    V a[chains], b = V{} + R(0.999999), c = V{} + R(1e-6);
    KEEP(b);
    KEEP(c);
#pragma GCC unroll 12
    for (int j = 0; j < chains; ++j) a[j] = V{} + R(1);
    for (long i = 0; i < steps; ++i) {
#pragma GCC unroll 12
      for (int j = 0; j < chains; ++j) {
        a[j] = a[j] * b + c;
        KEEP(a[j]);
      }
    }
  };
  return 2e-9 * steps * chains * (width / sizeof(R)) * threads / best(7, [&] { return together(threads, run); });
}

// A chain of additions of one cycle each (of a register: constants some processors add for nothing)
double clock_rate() {
  constexpr long steps = 20'000'000;
  const auto run = [](int) {
    long x = 1;
    for (long i = 0; i < steps; ++i) {
      STEP(x); STEP(x); STEP(x); STEP(x);
      STEP(x); STEP(x); STEP(x); STEP(x);
    }
  };
  return 1e-9 * steps * 8 / best(7, [&] { return together(1, run); });
}

// GB/s of reading `bytes`, as often as it takes to read 256 MiB
double read_rate(const char* data, long bytes, int threads) {
  const long passes = std::max(1L, (256L << 20) / bytes);
  const Reading reading(data, bytes, threads);
  return 1e-9 * reading.bytes() * passes / best(5, [&] { return reading.seconds(passes); });
}

int main(int count, char** arguments) {
  if (count < 3) return 1;
  const char* name = arguments[1];
  const int most = std::atoi(arguments[2]);
  long largest = 0;
  for (int i = 3; i < count; ++i) largest = std::max(largest, std::max(std::atol(arguments[i]), private_cache * most));
  std::printf("clock %s - 1 %.4f\n", name, clock_rate());
  for (int threads = 1; threads <= most; ++threads) {
    std::printf("fma %s float64 %d %.3f\n", name, threads, fma_rate<double>(threads));
    std::printf("fma %s float32 %d %.3f\n", name, threads, fma_rate<float>(threads));
  }
  if (!largest) return 0;
  char* data = static_cast<char*>(std::aligned_alloc(4096, (largest + 4095) / 4096 * 4096));
  if (!data) return 2;
  std::fill(data, data + largest, 0);
  for (int i = 3; i < count; ++i)
    for (int threads = 1; threads <= most; ++threads) {
      const long bytes = std::atol(arguments[i]), shared = bytes <= private_cache ? bytes * threads : bytes;
      std::printf("read %ld %d %d %.3f\n", bytes, width, threads, read_rate(data, shared, threads));
    }
  std::free(data);
}
