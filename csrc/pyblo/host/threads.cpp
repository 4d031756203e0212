// The pool: a region has seats, sleeping threads take them, and whoever is inside draws the next item until none is left.
// Seats that nobody has taken when the caller runs out of items are closed, so it never waits for a thread to wake.
#include "threads.hpp"

#include <pthread.h>
#include <signal.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

namespace pyblo {
namespace {

// The number that a text begins with: the whole of it, or what stands before a comma
std::optional<int> positive(std::string_view text, bool list) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\n'; };
  if (list) text = text.substr(0, text.find(','));
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

// Processors by quota of the control group, rounded up; none where it has no limit
std::optional<int> quota() {
  const std::string root = "/sys/fs/cgroup/";
  std::string limit;
  double period = 0, share = 0;
  if (std::ifstream v2(root + "cpu.max"); v2 >> limit >> period) {
    share = std::atof(limit.c_str());  // "max" gives 0
  } else {
    std::ifstream(root + "cpu/cpu.cfs_quota_us") >> share;
    std::ifstream(root + "cpu/cpu.cfs_period_us") >> period;
  }
  if (!(share > 0 && period > 0)) return std::nullopt;
  return int(std::clamp(std::ceil(share / period), 1.0, 1e6));
}

int processors() {
  int count = int(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) count = CPU_COUNT(&allowed);
#endif
  return std::max(1, std::min(count, quota().value_or(count)));
}

int default_threads() {
  if (const char* own = std::getenv("PYBLO_NUM_THREADS"); own && *own) {
    if (const auto n = positive(own, false)) return *n;
    throw std::invalid_argument("PYBLO_NUM_THREADS: '" + std::string(own) + "' is not a positive whole number");
  }
  if (const char* shared = std::getenv("OMP_NUM_THREADS"))
    if (const auto n = positive(shared, true)) return *n;
  return processors();
}

std::atomic<int> setting{0};  // 0: not read yet

struct Region {
  index items;
  const Work& work;
  std::atomic<index> next{0};
  std::atomic<bool> stop{false};
  std::exception_ptr error{};  // of the first worker that failed; under the pool's mutex
};

bool stopped(void* region) { return static_cast<Region*>(region)->stop.load(std::memory_order_relaxed); }

// The caller's pulse as its own items see it: it also stops when a worker has failed
struct CallerPulse {
  Region& region;
  Pulse& outer;

  static bool poll(void* self) {
    auto& [region, outer] = *static_cast<CallerPulse*>(self);
    if (region.stop) return true;
    outer.stopped = outer.poll && outer.poll(outer.context);
    return outer.stopped;
  }
};

void draw(Region& r, int worker, Pulse& pulse) {
  while (!pulse.stopped && !r.stop.load(std::memory_order_relaxed)) {
    const index item = r.next.fetch_add(1, std::memory_order_relaxed);
    if (item >= r.items) return;
    r.work(item, worker, pulse);
  }
}

class Pool {
 public:
  bool take() { return !busy_.exchange(true, std::memory_order_acquire); }

  // Of a pool that was taken, which it gives back
  void run(Region& region, int seats, Pulse& pulse) {
    struct Close {  // however the caller leaves, nobody is inside after it
      Pool& pool;
      Region& region;
      ~Close() {
        region.stop = true;
        pool.gather();
        pool.busy_.store(false, std::memory_order_release);
      }
    } close{*this, region};
    open(region, seats);
    CallerPulse caller{region, pulse};
    Pulse own{&CallerPulse::poll, &caller, pulse.work, pulse.stopped};
    draw(region, 0, own);
    pulse.work = own.work;
    if (own.stopped) region.stop = true;
    while (!gather(std::chrono::milliseconds(50)))
      if (!region.stop && CallerPulse::poll(&caller)) region.stop = true;
  }

 private:
  void open(Region& region, int seats) {
    {
      const std::lock_guard lock(mutex_);
      region_ = &region, seats_ = seats, given_ = 0;
      while (threads_ < seats && start()) ++threads_;
    }
    for (int i = 0; i < seats; ++i) wake_.notify_one();
  }

  // Signals are the host's: none is delivered to a thread of the pool, but those of its own faults
  bool start() {
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    bool started = true;
    try {
      std::thread(&Pool::serve, this).detach();
    } catch (const std::system_error&) {
      started = false;  // fewer threads: the same bits
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return seats_ > 0; });
      --seats_, ++inside_;
      const int worker = ++given_;
      Region& region = *region_;
      lock.unlock();
      std::exception_ptr error;
      try {
        Pulse pulse{&stopped, &region};
        draw(region, worker, pulse);
      } catch (...) {
        error = std::current_exception();
        region.stop = true;
      }
      lock.lock();
      if (error && !region.error) region.error = std::move(error);
      error = nullptr;
      if (--inside_ == 0) done_.notify_one();
    }
  }

  // Closes the seats and waits until all have left, or for so long; whether they have
  bool gather(std::optional<std::chrono::milliseconds> most = std::nullopt) {
    std::unique_lock lock(mutex_);
    seats_ = 0;
    const auto left = [this] { return inside_ == 0; };
    if (most) return done_.wait_for(lock, *most, left);
    done_.wait(lock, left);
    return true;
  }

  std::atomic<bool> busy_{false};
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Region* region_ = nullptr;
  int seats_ = 0, inside_ = 0, given_ = 0, threads_ = 0;
};

std::atomic<Pool*> the_pool{nullptr};
thread_local int promised = 0;  // what workers() last answered on this thread

// Never destroyed: its threads sleep in it until the process ends. A child of fork has none of them, and leaves it behind.
Pool& pool() {
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, [] { the_pool = nullptr; });
  Pool* found = the_pool.load(std::memory_order_acquire);
  if (!found) {
    auto* fresh = new Pool;
    if (the_pool.compare_exchange_strong(found, fresh)) return *fresh;
    delete fresh;
  }
  return *found;
}

void run_alone(index items, const Work& work, Pulse& pulse) {
  for (index item = 0; item < items && !pulse.stopped; ++item) work(item, 0, pulse);
}

}  // namespace

int num_threads() {
  int n = setting.load(std::memory_order_relaxed);
  if (n == 0) {
    const int fresh = default_threads();
    if (setting.compare_exchange_strong(n, fresh)) n = fresh;
  }
  return n;
}

void set_num_threads(int n) {
  if (n < 0) throw std::invalid_argument("the number of threads is at least 1, or 0 for the default");
  setting = n == 0 ? default_threads() : n;
}

int workers(index items) { return promised = int(std::clamp<index>(items, 1, num_threads())); }

void for_each(index items, const Work& work, Pulse& pulse) {
  const index most = std::min<index>(items, num_threads());
  const int count = int(promised ? std::min<index>(most, promised) : most);
  promised = 0;
  Pool* const free = count > 1 && !pulse.stopped && pool().take() ? the_pool.load() : nullptr;
  if (!free) return run_alone(items, work, pulse);
  Region region{items, work};
  free->run(region, count - 1, pulse);
  if (region.error) std::rethrow_exception(region.error);
}

}  // namespace pyblo
