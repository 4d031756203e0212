// Sizes, outcomes and stopping rules that every algorithm shares.
#pragma once
namespace pyblo {

using index = long long;

// How a solve, a run or a loop ended; pyblo/status.py mirrors the codes and gives each its text.
enum Status : int {
  RUNNING = 0,
  CONVERGED = 1,      // the true residual met the tolerance
  COMPLETED = 2,      // a fixed number of steps, all finite
  NOT_CONVERGED = 3,  // the step limit, or the attainable accuracy, came first
  INDEFINITE = 4,     // a direction of negative curvature was met
  INCONSISTENT = 5,   // singular to working precision, and b is not in the range
  DIVERGED = 6,       // a value left the finite numbers
  STOPPED = 7,        // a callback asked for the end
  INTERRUPTED = 8,    // the pulse asked for the end (Ctrl-C)
  UNBOUNDED = 9,      // the reduced objective has no lower bound
};

struct Stop {
  double rtol, atol;  // met when the norm of the residual is at most max(rtol·‖b‖, atol)
  index max_steps;
};

// Memory that will be wanted next, brought near a few bytes at a time
struct Prefetch {
  const char *at = nullptr, *end = nullptr;
  index bytes = 0;  // at a time

  void operator()() {
#if !defined(__CUDACC__)
    const char* const stop = end - at > bytes ? at + bytes : end;
    for (; at < stop; at += 64) __builtin_prefetch(at, 0, 1);  // into the second-level cache: the first is the algorithm's
#endif
  }
};

// Asks the host, now and then, whether to stop, and fetches what is wanted next. An algorithm announces the multiply-adds it is about
// to do.
struct Pulse {
  bool (*poll)(void*) = nullptr;
  void* context = nullptr;
  index work = 0;
  bool stopped = false;
  Prefetch next = {};

  bool operator()(index madds) {
    if (next.at < next.end) next();
    constexpr index period = 4'000'000;  // a few milliseconds
    if (poll && (work += madds + 64) >= period) {
      work = 0;
      stopped = stopped || poll(context);
    }
    return stopped;
  }
};

}  // namespace pyblo
