// A small pool of threads for loops whose items are independent. They sleep between regions: on shared cores a spinning
// barrier costs more than the work. A fork leaves the child a pool of its own, made anew when it is first needed.
#pragma once
#include <functional>

#include "pyblo/core/types.hpp"

namespace pyblo {

// The setting, at least 1: the last set_num_threads, else PYBLO_NUM_THREADS, else OMP_NUM_THREADS, else the processors that this
// process may use. Throws std::invalid_argument where PYBLO_NUM_THREADS is not a positive whole number.
int num_threads();
void set_num_threads(int n);  // n ≥ 1, or 0 for the default again

using Work = std::function<void(index item, int worker, Pulse& pulse)>;

// work(item, worker, pulse) for item = 0 … items − 1, each once and in no order, on up to num_threads() threads, the caller being
// worker 0. The caller alone polls its pulse, also while it waits for the others; once it has stopped or thrown, the pulses of the
// others stop and no further item begins. An exception ends the region likewise and is rethrown here, the caller's own first.
// Where a region has the pool, this one's or another thread's, all items run on the caller; one item alone takes no pool.
void for_each(index items, const Work& work, Pulse& pulse);

// Worker numbers of this thread's next for_each over as many items are below it, whatever set_num_threads does meanwhile
int workers(index items);

}  // namespace pyblo
