// linalg.cg, linalg.neumann and linalg.gradient_descent: over arrays of systems, and for one system whose A is an operator.
#include "arrays.hpp"
#include "pulse.hpp"
#include "pyblo/host/dispatch.hpp"

namespace pyblo {
namespace {

// A (n, n) or (count, n, n), b (count, n)
template <class T> Systems<T> systems(const Array<T>& A, const Array<T>& b, double max_asymmetry) {
  require(b.ndim() == 2 && (A.ndim() == 2 || A.ndim() == 3), "A is (n, n) or (count, n, n) and b is (count, n)");
  const index count = b.shape(0), n = b.shape(1);
  require(A.shape(A.ndim() - 1) == n && A.shape(A.ndim() - 2) == n && (A.ndim() == 2 || A.shape(0) == count), "A and b do not fit");
  return {aligned(A), aligned(b), count, n, A.ndim() == 3 ? n * n : 0, max_asymmetry};
}

// work(pulse) without the interpreter's lock
template <class Work> void released(const Work& work) {
  Heart heart;
  const Released nogil;
  Pulse pulse = heart.pulse();
  work(pulse);
}

template <class T> Array<T> starts(const std::optional<Array<T>>& x0, index count, index n) {
  Array<T> x({count, n});
  if (x0) {
    require(x0->size() == count * n, "x0 does not fit");
    if (x0->size()) std::memcpy(x.mutable_data(), x0->data(), x0->nbytes());
  }
  return x;
}

// (x, status, steps, residual, directions, asymmetry), which the kernels fill
template <class T> class Reply {
 public:
  Reply(const std::optional<Array<T>>& x0, index count, index n)
      : x_(starts(x0, count, n)), status_(count), steps_(count), residual_(count), evidence_(count, n), count_(count), n_(n) {
    std::fill_n(status_.mutable_data(), count, int(RUNNING));
  }
  T* x() { return x_.mutable_data(); }
  Answers answers() { return {status_.mutable_data(), steps_.mutable_data(), residual_.mutable_data(), asymmetry_}; }
  Evidence<T>& evidence() { return evidence_; }
  // One system's outcome
  void set(const Outcome& o) {
    *status_.mutable_data() = o.status, *steps_.mutable_data() = o.steps, *residual_.mutable_data() = o.residual;
  }
  py::tuple tuple() { return py::make_tuple(x_, status_, steps_, residual_, directions(), asymmetry_.load()); }

 private:
  // The direction of each INDEFINITE system, or None
  py::object directions() {
    if (!evidence_.data()) return py::none();
    Array<T> a({count_, n_});
    std::memcpy(a.mutable_data(), evidence_.data(), a.nbytes());
    return a;
  }

  Array<T> x_;
  Array<int> status_;
  Array<index> steps_;
  Array<double> residual_;
  Evidence<T> evidence_;
  index count_, n_;
  std::atomic<double> asymmetry_ = 0.0;
};

template <class T>
py::tuple bind_cg(const Array<T>& A, const Array<T>& b, const std::optional<Array<T>>& x0, double rtol, double atol, index max_steps,
                  double max_asymmetry) {
  const Systems<T> s = systems(A, b, max_asymmetry);
  Reply<T> reply(x0, s.count, s.n);
  T* const x = reply.x();
  const Answers answers = reply.answers();
  released([&](Pulse& pulse) { kernels_of<T>().linear.cg(s, {rtol, atol, max_steps}, !x0, x, answers, reply.evidence(), pulse); });
  return reply.tuple();
}

template <class T>
py::tuple bind_neumann(const Array<T>& A, const Array<T>& b, index terms, const Array<double>& step, double limit, double max_asymmetry) {
  const Systems<T> s = systems(A, b, max_asymmetry);
  Reply<T> reply({}, s.count, s.n);
  T* const x = reply.x();
  const Answers answers = reply.answers();
  const double* const steps = vector(step, s.count);
  released([&](Pulse& pulse) { kernels_of<T>().linear.neumann(s, steps, terms, limit, x, answers, pulse); });
  return reply.tuple();
}

template <class T>
py::tuple bind_descent(const Array<T>& A, const Array<T>& b, const std::optional<Array<T>>& x0, const Array<double>& step, double momentum,
                       bool nesterov, index steps, double tol, double limit, double max_asymmetry) {
  const Systems<T> s = systems(A, b, max_asymmetry);
  Reply<T> reply(x0, s.count, s.n);
  T* const x = reply.x();
  const Answers answers = reply.answers();
  if (!x0) std::fill_n(x, s.count * s.n, T(0));
  const DescentCall call{vector(step, s.count), momentum, nesterov, steps, tol, limit};
  released([&](Pulse& pulse) { kernels_of<T>().linear.descend(s, call, x, answers, pulse); });
  return reply.tuple();
}

// --- one system whose A is sparse, or a function of Python's

template <class T> using OwnedOperator = Owned<std::shared_ptr<const AnyOperator<T>>>;

// apply(x) -> A x, for vectors of T and of float64
template <class T> OwnedOperator<T> function_operator(index n, py::function apply) {
  const auto call = [=](const auto* from, auto* to) {
    using V = std::remove_pointer_t<decltype(to)>;
    py::gil_scoped_acquire gil;
    const auto y = py::cast<Array<V>>(apply(copy_of(n, from)));
    std::memcpy(to, vector(y, n), n * sizeof(V));
  };
  const CallbackOperator<T> op{n, {[=](bool, const T* from, T* to) { call(from, to); }, [=](bool, const double* from, double* to) { call(from, to); }}};
  return {std::make_shared<AnyOperator<T>>(op), {}};
}

template <class T, class I> OwnedOperator<T> sparse_operator(const Array<T>& values, const Array<I>& columns, const Array<I>& starts) {
  require(starts.ndim() == 1 && starts.shape(0) >= 1 && values.size() == columns.size(), "values, columns and starts do not fit");
  Owners o;
  const index n = starts.shape(0) - 1;
  const auto v = o.vector(values, values.size());
  const auto c = o.vector(columns, columns.size()), s = o.vector(starts, n + 1);
  for (index i = 0; i < n; ++i) require(s.a[i] <= s.a[i + 1], "starts descend");
  require(s.a[0] >= 0 && s.a[n] <= v.size, "starts leave the values");
  for (index k = 0; k < c.size; ++k) require(0 <= c.a[k] && c.a[k] < n, "a column is out of range");
  return {std::make_shared<AnyOperator<T>>(SymmetricCsr<T, I>{{v.a, c.a, s.a, n, n}}), o};
}

template <class T>
py::tuple operator_cg(const OwnedOperator<T>& A, const Array<T>& b, const std::optional<Array<T>>& x0, double rtol, double atol, index max_steps) {
  const index n = b.size();
  Reply<T> reply(x0, 1, n);
  const T* const pb = vector(b, n);
  T* const x = reply.x();
  Outcome out;
  released([&](Pulse& pulse) { kernels_of<T>().single.cg(*A.part, pb, {rtol, atol, max_steps}, !x0, x, out, reply.evidence(), pulse); });
  reply.set(out);
  return reply.tuple();
}

template <class T> py::tuple operator_neumann(const OwnedOperator<T>& A, const Array<T>& b, index terms, double step) {
  Reply<T> reply({}, 1, b.size());
  const T* const pb = vector(b, b.size());
  T* const x = reply.x();
  Outcome out;
  released([&](Pulse& pulse) { kernels_of<T>().single.neumann(*A.part, pb, step, terms, x, out, pulse); });
  reply.set(out);
  return reply.tuple();
}

template <class T>
py::tuple operator_descent(const OwnedOperator<T>& A, const Array<T>& b, const std::optional<Array<T>>& x0, double step, double momentum,
                           bool nesterov, index steps, double tol) {
  Reply<T> reply(x0, 1, b.size());
  const T* const pb = vector(b, b.size());
  T* const x = reply.x();
  if (!x0) std::fill_n(x, b.size(), T(0));
  Outcome out;
  const DescentCall call{&step, momentum, nesterov, steps, tol};
  released([&](Pulse& pulse) { kernels_of<T>().single.descend(*A.part, pb, call, x, out, pulse); });
  reply.set(out);
  return reply.tuple();
}

template <class T> void bind_operator(py::module_& m, const char* name, const char* function) {
  m.def(function, &function_operator<T>, py::arg("n"), py::arg("apply"));
  m.def("sparse_operator", &sparse_operator<T, int>, py::arg("values").noconvert(), py::arg("columns").noconvert(), py::arg("starts").noconvert());
  m.def("sparse_operator", &sparse_operator<T, index>, py::arg("values").noconvert(), py::arg("columns").noconvert(), py::arg("starts").noconvert());
  py::class_<OwnedOperator<T>>(m, name)
      .def("cg", &operator_cg<T>, py::arg("b").noconvert(), py::arg("x0").noconvert(), py::arg("rtol"), py::arg("atol"), py::arg("max_steps"))
      .def("neumann", &operator_neumann<T>, py::arg("b").noconvert(), py::arg("terms"), py::arg("step"))
      .def("gradient_descent", &operator_descent<T>, py::arg("b").noconvert(), py::arg("x0").noconvert(), py::arg("step"), py::arg("momentum"),
           py::arg("nesterov"), py::arg("steps"), py::arg("tol"));
}

template <class T> void bind(py::module_& m) {
  m.def("cg", &bind_cg<T>, py::arg("A").noconvert(), py::arg("b").noconvert(), py::arg("x0").noconvert(), py::arg("rtol"),
        py::arg("atol"), py::arg("max_steps"), py::arg("max_asymmetry"));
  m.def("neumann", &bind_neumann<T>, py::arg("A").noconvert(), py::arg("b").noconvert(), py::arg("terms"), py::arg("step").noconvert(),
        py::arg("limit"), py::arg("max_asymmetry"));
  m.def("gradient_descent", &bind_descent<T>, py::arg("A").noconvert(), py::arg("b").noconvert(), py::arg("x0").noconvert(),
        py::arg("step").noconvert(), py::arg("momentum"), py::arg("nesterov"), py::arg("steps"), py::arg("tol"), py::arg("limit"),
        py::arg("max_asymmetry"));
}

}  // namespace

void bind_linear(py::module_& m) {
  bind<double>(m);
  bind<float>(m);
  bind_operator<double>(m, "Operator64", "function_operator64");
  bind_operator<float>(m, "Operator32", "function_operator32");
}

}  // namespace pyblo
