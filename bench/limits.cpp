// The physical limits of this machine: FMA rate and read bandwidth, on one thread and on several.
//   limits <name> <most threads> <bytes>...      one line per limit: "fma <name> <dtype> <threads> <GFLOP/s>",
//   "clock <name> - 1 <GHz>", "read <bytes> <register bytes> <threads> <GB/s>". Best of several.
#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int width = 64;
#elif defined(__AVX2__)
constexpr int width = 32;
#else
constexpr int width = 16;
#endif

constexpr long private_cache = 4 << 20;  // up to here `bytes` are per thread: each has its own L1 and L2

template <class R> struct Vector { typedef R type __attribute__((vector_size(width))); };

#if defined(__x86_64__)
#define KEEP(v) asm volatile("" : "+x"(v))
#define STEP(i) asm volatile("add %0, %0" : "+r"(i))
#else
#define KEEP(v) asm volatile("" : "+w"(v))
#define STEP(i) asm volatile("add %0, %0, %0" : "+r"(i))
#endif

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The shortest time from the first start to the last end of `threads` workers that do body(worker)
template <class F> double best(int threads, int rounds, F body) {
  double least = 1e300;
  for (int round = 0; round < rounds; ++round) {
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
    least = std::min(least, *std::max_element(ends.begin(), ends.end()) - *std::min_element(starts.begin(), starts.end()));
  }
  return least;
}

// Twelve chains: more than the latency of an fma times the units that do them
template <class R> double fma_rate(int threads) {
  using V = typename Vector<R>::type;
  constexpr long steps = 4'000'000;
  constexpr int chains = 12;
  const double seconds = best(threads, 7, [](int) {
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
  });
  return 2e-9 * steps * chains * (width / sizeof(R)) * threads / seconds;
}

// A chain of additions of one cycle each (of a register: constants some processors add for nothing)
double clock_rate() {
  constexpr long steps = 20'000'000;
  return 1e-9 * steps * 8 / best(1, 7, [](int) {
           long x = 1;
           for (long i = 0; i < steps; ++i) {
             STEP(x); STEP(x); STEP(x); STEP(x);
             STEP(x); STEP(x); STEP(x); STEP(x);
           }
         });
}

// GB/s of reading `bytes` (each thread has its own part), as often as it takes to read 256 MiB
double read_rate(const char* data, long bytes, int threads) {
  using V = Vector<double>::type;
  constexpr int chains = 8;
  const long part = bytes / threads / (chains * width) * chains, passes = std::max(1L, (256L << 20) / bytes);
  const double seconds = best(threads, 5, [=](int t) {
    const V* p = reinterpret_cast<const V*>(data) + t * part;
    V s[chains] = {};
    for (long pass = 0; pass < passes; ++pass)
      for (long i = 0; i < part; i += chains)
#pragma GCC unroll 8
        for (int j = 0; j < chains; ++j) {
          s[j] += p[i + j];
          KEEP(s[j]);
        }
  });
  return 1e-9 * part * width * threads * passes / seconds;
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
