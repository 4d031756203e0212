// The pool under load: many regions, nested ones, callers at once, ends by the pulse and by exceptions, settings that change meanwhile,
// and forks. Built with the thread sanitizer by `make tsan`; exits 1 where a count is wrong.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include "pyblo/host/threads.hpp"

namespace pyblo {
namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::printf("wrong: %s\n", what);
  std::exit(1);
}

// Every item once, its worker's number within bounds, and what it wrote there for the caller to read
void counts(index items) {
  const int most = workers(items);
  std::vector<index> seen(items, 0), by_worker(most, 0);
  Pulse pulse;
  for_each(items, [&](index i, int worker, Pulse&) {
    require(worker < most, "worker number");
    ++seen[i], ++by_worker[worker];
    if (i % 4 == 0) std::this_thread::yield();  // so that others have a share
  }, pulse);
  index total = 0;
  for (const index n : by_worker) total += n;
  for (const index n : seen) require(n == 1, "an item ran once");
  require(total == items, "all items ran");
}

void nested() {
  std::vector<std::atomic<index>> sums(8);
  Pulse pulse;
  for_each(8, [&](index i, int, Pulse& inner) {
    for_each(50, [&](index j, int, Pulse&) { sums[i] += j; }, inner);
  }, pulse);
  for (const auto& n : sums) require(n == 1225, "nested sums");
}

void throws(index bad) {
  bool caught = false;
  Pulse pulse;
  try {
    for_each(200, [&](index i, int, Pulse& own) {
      if (i == bad) throw std::runtime_error("bad item");
      own(1000);
    }, pulse);
  } catch (const std::runtime_error& error) {
    caught = std::strcmp(error.what(), "bad item") == 0;
  }
  require(caught, "the exception of an item");
}

// The pulse ends the region: by stopping, or by an exception
void ends(bool by_exception) {
  struct Host {
    bool fails;
    std::thread::id caller = std::this_thread::get_id();
    int beats = 0;
    static bool poll(void* self) {
      auto& host = *static_cast<Host*>(self);
      require(std::this_thread::get_id() == host.caller, "only the caller polls");
      if (++host.beats < 3) return false;
      if (host.fails) throw std::domain_error("stop");
      return true;
    }
  } host{by_exception};
  Pulse pulse{&Host::poll, &host};
  bool caught = false;
  try {  // items without end but for the pulse
    for_each(64, [&](index, int, Pulse& own) {
      while (!own(5'000'000)) std::this_thread::yield();
    }, pulse);
  } catch (const std::domain_error&) {
    caught = true;
  }
  require(caught == by_exception && (by_exception || pulse.stopped), "the end by the pulse");
}

void caller(int seed, int rounds) {
  for (int k = 0; k < rounds; ++k) {
    counts((seed * 37 + k * 11) % 150);
    if (k % 8 == 0) nested();
    if (k % 8 == 3) throws((seed + k) % 200);
    if (k % 40 == 5) ends(k % 80 == 5);
  }
}

// A child has its own pool, and neither hangs
void forks(int rounds) {
  for (int k = 0; k < rounds; ++k) {
    counts(40);
    const pid_t child = fork();
    if (child == 0) {
      counts(40);
      _exit(0);
    }
    int status = 1;
    require(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child after a region");
    counts(40);
  }
}

}  // namespace
}  // namespace pyblo

int main(int, char** argv) {
  const int rounds = argv[1] ? std::atoi(argv[1]) : 400;
  pyblo::set_num_threads(4);
  pyblo::caller(1, rounds);
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) callers.emplace_back(pyblo::caller, i, rounds / 4);
  std::atomic<bool> over{false};
  std::thread changes([&] {
    for (int k = 0; !over; ++k) {
      pyblo::set_num_threads(k % 9);
      pyblo::require(pyblo::num_threads() >= 1, "the setting");
      std::this_thread::yield();
    }
  });
  for (std::thread& one : callers) one.join();
  over = true, changes.join();
  pyblo::set_num_threads(4);
  pyblo::forks(argv[1] && argv[2] ? std::atoi(argv[2]) : 50);
  std::printf("pool: all right\n");
}
