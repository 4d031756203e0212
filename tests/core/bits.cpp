// A problem gives the same bits alone and in a lane of a pack, whatever lane and whatever the neighbours. Run as
//     bits first last   (sizes of the problems)
// prints a line of counts per algorithm and fails at any difference.
#include <cstdlib>

#include "bilevel.hpp"
#include "tally.hpp"

#ifndef PYBLO_LANES  // widths of the packs; none: the problems alone
#define PYBLO_LANES 4, 8, 16
#endif

namespace pyblo::test {

// Problem number k of the arrangement: shifted by one lane each time, so that every problem visits every lane
inline int arranged(int k, int arrangement, int count) { return (k * (arrangement % 2 ? 7 : 1) + arrangement) % count; }

template <class T, class R, class Algorithm>
void compare_lanes(const Algorithm& algorithm, const std::vector<Case<R>>& cases, const std::vector<Outcome<R>>& alone, Tally& tally) {
  constexpr int lanes = Scalar<T>::lanes;
  const int count = int(cases.size()), arrangements = cases[0].n <= 9 ? lanes : cases[0].n <= 40 ? 2 : 1;
  for (int arrangement = 0; arrangement < arrangements; ++arrangement)
    for (int first = 0; first + lanes <= count; first += lanes) {
      Group<T> group;
      for (int l = 0; l < lanes; ++l) group.cases.push_back(&cases[arranged(first + l, arrangement, count)]);
      const Outputs<T> out = algorithm(group);
      for (int l = 0; l < lanes; ++l) tally.compare(alone[arranged(first + l, arrangement, count)], take_lane(out, l));
    }
}

template <int... widths> struct Widths {};

template <int... widths, class R, class Algorithm>
void compare_widths(Widths<widths...>, const Algorithm& algorithm, const std::vector<Case<R>>& cases,
                    const std::vector<Outcome<R>>& alone, Tally& tally) {
  (compare_lanes<Pack<R, widths>>(algorithm, cases, alone, tally), ...);
}

template <class R, class Algorithm> void check(const Algorithm& algorithm, const std::vector<Case<R>>& cases, Tally& tally) {
  std::vector<Outcome<R>> alone;
  for (const Case<R>& c : cases) {
    alone.push_back(take_lane(algorithm(Group<R>{{&c}}), 0));
    tally.add_alone(alone.back());
    if constexpr (requires { algorithm.from_zero; } || requires { algorithm.tol; }) {
      const bool finite = alone.back().figures[0] != double(DIVERGED), judged = alone.back().figures[2] != 0;
      if (finite && judged) ++tally.measured, tally.truthful += residual_is_true(c, alone.back().values, alone.back().figures[2]);
    }
  }
  compare_widths(Widths<PYBLO_LANES>{}, algorithm, cases, alone, tally);
}

template <class R> bool run(const char* scalar, index first, index last) {
  Tallies tallies;
  for (index n = first; n <= last; ++n) {
    const bool bilevel = n <= 24 || n % 32 < 2;
    const auto cases = make_cases<R>(n, 16, bilevel);
    const auto visit = [&](const char* name, const auto& algorithm) { check(algorithm, cases, tallies[name]); };
    each_linear(n, visit);
    if (bilevel) each_bilevel(visit);
  }
  return tallies.print(scalar);
}

}  // namespace pyblo::test

int main(int argc, char** argv) {
  const auto first = argc > 1 ? std::atoll(argv[1]) : 1, last = argc > 2 ? std::atoll(argv[2]) : 130;
  const bool floats = pyblo::test::run<float>("float", first, last), doubles = pyblo::test::run<double>("double", first, last);
  return floats && doubles ? 0 : 1;
}
