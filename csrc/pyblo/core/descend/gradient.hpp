// Inner recurrences for G(u, w) = 0, where G is ∇_w f, or w − Φ(u, w) with step 1: gradient descent (momentum 0), heavy ball
// and Nesterov. With s the accumulated gradient, s = 0 at the start of a run,
//     y = w − α m κ s,   s₊ = m s + G(u, y),   w₊ = w − α s₊,      κ = 1 for Nesterov, else 0,
// which is w₊ = w − αG(u, w) + m(w − w₋) for heavy ball, and the same with G at y = w + m(w − w₋) for Nesterov.
#pragma once
#include "../scratch.hpp"
#include "../solve/cg.hpp"

namespace pyblo {

template <class W> struct Rule {  // of recurrences in T, W = wide_t<T>: every lane has a step of its own
  W step;
  double momentum;
  bool nesterov;
};
template <class T> using rule_t = Rule<wide_t<T>>;

// −αmκ, which takes s to the point y where a gradient is taken
template <class T> T look_ahead_step(rule_t<T> rule) {
  return rule.nesterov ? convert<T>(-(rule.step * wide_t<T>(rule.momentum))) : T(0);
}

template <class T> struct DescendScratch {
  T *s, *y, *g;
  wide_t<T> *wide_y, *wide_g;
  DescendScratch(Scratch& a, index n)
      : s(a.take<T>(n)), y(a.take<T>(n)), g(a.take<T>(n)), wide_y(a.take<wide_t<T>>(n)), wide_g(a.take<wide_t<T>>(n)) {}
};

// y = w − α m κ s and g = G(y): gradient(team, y, g)
template <class T, class G, class Gradient>
void look_ahead(G team, index n, const Gradient& gradient, const T* w, DescendScratch<T> a, rule_t<T> rule) {
  const T ahead = look_ahead_step<T>(rule);
  team.each(n, [=](index i) { a.y[i] = madd(ahead, a.s[i], w[i]); });
  team.sync();
  gradient(team, a.y, a.g);
}

// s₊ = m s + g,  w₊ = w − α s₊ on the active lanes
template <class T, class G>
void move(G team, index n, T* w, DescendScratch<T> a, rule_t<T> rule, mask_t<T> active = true) {
  const T step = convert<T>(-rule.step), momentum = T(rule.momentum);
  team.each(n, [=](index i) {
    a.s[i] = select(active, madd(momentum, a.s[i], a.g[i]), a.s[i]);
    w[i] = select(active, madd(step, a.s[i], w[i]), w[i]);
  });
  team.sync();
}

// The given number of steps from the state (w, a.s)
template <class T, class G, class Gradient>
void advance(G team, index n, const Gradient& gradient, T* w, DescendScratch<T> a, rule_t<T> rule, index steps, Pulse& pulse) {
  for (index t = 0; t < steps && !pulse(gradient.madds()); ++t) {
    look_ahead(team, n, gradient, w, a, rule);
    move(team, n, w, a, rule);
  }
}

// The same without momentum, where s₊ is the gradient at w
template <class T, class G, class Gradient>
void advance_plainly(G team, index n, const Gradient& gradient, T* w, T* g, rule_t<T> rule, index steps, Pulse& pulse) {
  const T step = convert<T>(-rule.step);
  for (index t = 0; t < steps && !pulse(gradient.madds()); ++t) {
    gradient(team, w, g);
    team.each(n, [=](index i) { w[i] = madd(step, g[i], w[i]); });
    team.sync();
  }
}

// A whole run of the given number of steps from w
template <class T, class G, class Gradient>
Report<T> descend(G team, index n, const Gradient& gradient, T* w, DescendScratch<T> a, rule_t<T> rule, index steps,
                  Pulse& pulse) {
  if (rule.momentum == 0)
    advance_plainly(team, n, gradient, w, a.g, rule, steps, pulse);
  else
    fill(team, n, T(0), a.s), advance(team, n, gradient, w, a, rule, steps, pulse);
  const T status = select(finite(team, n, w), T(pulse.stopped ? INTERRUPTED : COMPLETED), T(DIVERGED));
  return {status, wide_t<T>(steps), wide_t<T>(0), wide_t<T>(steps)};
}

// A run until ‖G(u, w)‖ ≤ tol·max(1, ‖G(u, w₀)‖), judged in the wide type at the w that is returned
template <class T, class G, class Gradient>
Report<T> descend_until(G team, index n, const Gradient& gradient, T* w, DescendScratch<T> a, rule_t<T> rule, double tol,
                        index max_steps, Pulse& pulse) {
  using W = wide_t<T>;
  fill(team, n, T(0), a.s);
  W limit = W(0), residual = W(0), steps = W(0), products = W(0);
  T status = T(RUNNING);
  for (index t = 0; any(status == T(RUNNING)) && !pulse(gradient.madds()); ++t) {
    const mask_t<T> running = status == T(RUNNING);
    look_ahead(team, n, gradient, w, a, rule);
    W size = norm(team, n, a.g);
    if (t == 0) limit = W(tol) * larger(W(1), size);
    products = products + select(convert_mask<W>(running), W(1), W(0));
    const mask_t<T> last = running & mask_t<T>(t == max_steps), judged = last | (running & convert_mask<T>(size <= limit));
    if constexpr (sizeof(W) != sizeof(T)) {
      if (any(judged)) {
        team.each(n, [=](index i) { a.wide_y[i] = convert<W>(a.y[i]); });
        team.sync();
        gradient(team, a.wide_y, a.wide_g);
        size = select(convert_mask<W>(judged), norm(team, n, a.wide_g), size);
        products = products + select(convert_mask<W>(judged), W(1), W(0));
      }
    }
    const mask_t<T> met = running & convert_mask<T>(size <= limit), ends = met | last;
    team.each(n, [=](index i) { w[i] = select(ends, a.y[i], w[i]); });
    team.sync();
    residual = select(convert_mask<W>(running), size, residual);
    status = select(met, T(CONVERGED), status);
    status = select(running & !convert_mask<T>(is_finite(size)), T(DIVERGED), status);
    status = select(last & (status == T(RUNNING)), T(NOT_CONVERGED), status);
    const mask_t<T> going = status == T(RUNNING);
    move(team, n, w, a, rule, going);
    steps = steps + select(convert_mask<W>(going), W(1), W(0));
  }
  status = select(status == T(RUNNING), T(INTERRUPTED), status);
  return {status, steps, residual, products};
}

}  // namespace pyblo
