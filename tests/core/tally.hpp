// Counts what agrees. Two results are the same when all their bits are; two NaN count as the same.
#pragma once
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

#include "algorithms.hpp"

namespace pyblo::test {

// What one problem gave, taken out of its lane
template <class R> struct Outcome {
  std::vector<R> values;
  std::vector<double> figures;
};

template <class T> Outcome<real_t<T>> take_lane(const Outputs<T>& out, int l) {
  Outcome<real_t<T>> one;
  for (const T& v : out.values) one.values.push_back(lane(v, l));
  for (const auto& v : out.figures) one.figures.push_back(lane(v, l));
  return one;
}

template <class R> bool same_bits(const std::vector<R>& a, const std::vector<R>& b) {
  bool same = a.size() == b.size();
  for (unsigned long i = 0; same && i < a.size(); ++i) same = !std::memcmp(&a[i], &b[i], sizeof(R)) || (a[i] != a[i] && b[i] != b[i]);
  return same;
}

// | reported − ‖b − Ax‖ | against the rounding of a residual that is computed in double
template <class R> bool residual_is_true(const Case<R>& c, const std::vector<R>& x, double reported) {
  long double square = 0, size = 0;
  for (index i = 0; i < c.n; ++i) {
    long double r = c.b[i], s = std::abs(c.b[i]);
    for (index j = 0; j < c.n; ++j) {
      r -= (long double)(c.A[i * c.n + j]) * x[j];
      s += std::abs((long double)(c.A[i * c.n + j]) * x[j]);
    }
    square += r * r, size += s * s;
  }
  return std::abs(sqrtl(square) - reported) <= (2 * c.n + 8) * 0x1p-53L * sqrtl(size);
}

struct Tally {
  std::string name;
  long problems = 0, compared = 0, identical = 0, same_steps = 0, measured = 0, truthful = 0;
  long statuses[10] = {};
  unsigned long long hash = 14695981039346656037u;

  template <class R> void mix(const std::vector<R>& values) {
    for (R v : values) {
      if (v != v) v = R(-12345);  // every NaN alike
      unsigned char bytes[sizeof(R)];
      std::memcpy(bytes, &v, sizeof(R));
      for (const unsigned char byte : bytes) hash = (hash ^ byte) * 1099511628211u;
    }
  }
  template <class R> void add_alone(const Outcome<R>& one) {
    ++problems;
    ++statuses[int(one.figures[0])];
    mix(one.values);
    mix(one.figures);
  }
  template <class R> void compare(const Outcome<R>& one, const Outcome<R>& other) {
    ++compared;
    identical += same_bits(one.values, other.values) && same_bits(one.figures, other.figures);
    same_steps += one.figures[0] == other.figures[0] && one.figures[1] == other.figures[1];
  }
  bool complete() const { return compared && identical == compared && same_steps == compared && truthful == measured; }
  void print(const char* scalar) const {
    std::printf("%s | %s | problems %ld compared %ld identical %ld same_steps %ld measured %ld truthful %ld hash %016llx |", scalar,
                name.c_str(), problems, compared, identical, same_steps, measured, truthful, hash);
    for (int s = 0; s < 10; ++s)
      if (statuses[s]) std::printf(" status%d=%ld", s, statuses[s]);
    std::printf("\n");
  }
};

class Tallies {
 public:
  Tally& operator[](const std::string& name) {
    for (Tally& t : all_)
      if (t.name == name) return t;
    all_.emplace_back().name = name;
    return all_.back();
  }
  bool print(const char* scalar) const {
    bool complete = !all_.empty();
    for (const Tally& t : all_) t.print(scalar), complete = complete && t.complete();
    return complete;
  }

 private:
  std::vector<Tally> all_;
};

}  // namespace pyblo::test
