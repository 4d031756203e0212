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

// Asks the host, now and then, whether to stop. An algorithm announces the multiply-adds it is about to do.
struct Pulse {
  bool (*poll)(void*) = nullptr;
  void* context = nullptr;
  index work = 0;
  bool stopped = false;

  bool operator()(index madds) {
    constexpr index period = 4'000'000;  // a few milliseconds
    if (poll && (work += madds + 64) >= period) {
      work = 0;
      stopped = stopped || poll(context);
    }
    return stopped;
  }
};

}  // namespace pyblo
