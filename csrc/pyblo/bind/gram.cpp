// gram_hvp: y = Φᵀ(s∘(Φv)) + d∘v for a dense Φ, a batch of them, or a sparse one in compressed rows.
#include "arrays.hpp"
#include "pulse.hpp"
#include "pyblo/host/dispatch.hpp"

namespace pyblo {
namespace {

template <class T> using Optional = std::optional<Array<T>>;

// The vectors (size,), or (batch, size), of an optional argument; null, or a stride of zero where all share one
template <class T> const T* vectors(const Optional<T>& a, index batch, index size, index& stride) {
  stride = 0;
  if (!a) return nullptr;
  require(reinterpret_cast<std::uintptr_t>(a->data()) % alignof(T) == 0, "an array is misaligned");
  require(a->size() == size || a->size() == batch * size, "weights or shift do not fit");
  if (a->ndim() == 2) stride = size;
  require(a->ndim() == 1 || (a->ndim() == 2 && a->shape(0) == batch), "weights or shift do not fit");
  return a->data();
}

template <class T>
GramCall<T> call(const Array<T>& v, const Optional<T>& weights, const Optional<T>& shifts, index batch, index rows, index cols, T* y) {
  require(reinterpret_cast<std::uintptr_t>(v.data()) % alignof(T) == 0, "an array is misaligned");
  GramCall<T> c{v.data(), nullptr, nullptr, 0, 0, y};
  c.weights = vectors(weights, batch, rows, c.weights_stride);
  c.shifts = vectors(shifts, batch, cols, c.shifts_stride);
  return c;
}

template <class F> void run(const F& f) {
  Heart heart;
  const Released nogil;
  Pulse pulse = heart.pulse();
  f(pulse);
}

// Φ (rows, cols), or (batch, rows, cols); v (batch, cols)
template <class T> Array<T> dense(const Array<T>& phi, const Array<T>& v, const Optional<T>& weights, const Optional<T>& shifts) {
  require((phi.ndim() == 2 || phi.ndim() == 3) && v.ndim() == 2, "Phi is (rows, cols) or (batch, rows, cols), and v (batch, cols)");
  const index batch = v.shape(0), cols = v.shape(1), rows = phi.shape(phi.ndim() - 2), stride = phi.ndim() == 3 ? rows * cols : 0;
  require(phi.shape(phi.ndim() - 1) == cols && (phi.ndim() == 2 || phi.shape(0) == batch), "Phi and v do not fit");
  require(reinterpret_cast<std::uintptr_t>(phi.data()) % alignof(T) == 0, "an array is misaligned");
  Array<T> y({batch, cols});
  const GramCall<T> c = call(v, weights, shifts, batch, rows, cols, y.mutable_data());
  const DenseBatch<T> products{phi.data(), batch, rows, cols, stride};
  run([&](Pulse& pulse) { kernels_of<T>().gram.dense(products, c, pulse); });
  return y;
}

// Φ (rows, cols), v (cols, vectors)
template <class T> Array<T> dense_many(const Array<T>& phi, const Array<T>& v, const Optional<T>& weights, const Optional<T>& shifts) {
  require(phi.ndim() == 2 && v.ndim() == 2 && phi.shape(1) == v.shape(0), "Phi is (rows, cols), and v (cols, vectors)");
  require(reinterpret_cast<std::uintptr_t>(phi.data()) % alignof(T) == 0, "an array is misaligned");
  const index rows = phi.shape(0), cols = phi.shape(1), count = v.shape(1);
  const T* const p = phi.data();
  Array<T> y({cols, count});
  const GramCall<T> c = call(v, weights, shifts, 1, rows, cols, y.mutable_data());
  run([&](Pulse& pulse) { kernels_of<T>().gram.dense_many(p, rows, cols, count, c, pulse); });
  return y;
}

// Φ by its values, columns and starts of rows; v (cols, vectors)
template <class T, class I>
Array<T> sparse(const Array<T>& values, const Array<I>& columns, const Array<I>& starts, const Array<T>& v, const Optional<T>& weights,
                const Optional<T>& shifts) {
  require(values.ndim() == 1 && columns.ndim() == 1 && starts.ndim() == 1 && v.ndim() == 2, "values, columns and starts have one axis");
  require(starts.size() > 0 && columns.size() == values.size(), "values, columns and starts do not fit");
  for (const py::array& a : {py::array(values), py::array(columns), py::array(starts)})
    require(reinterpret_cast<std::uintptr_t>(a.data()) % alignof(I) == 0, "an array is misaligned");
  require(reinterpret_cast<std::uintptr_t>(values.data()) % alignof(T) == 0, "an array is misaligned");
  const index rows = starts.size() - 1, cols = v.shape(0), count = v.shape(1);
  require(cols <= std::numeric_limits<I>::max(), "the columns do not fit their index type");
  require(starts.at(0) >= 0 && starts.at(rows) <= values.size(), "the starts of rows do not fit the values");
  const Csr<T, I> phi{values.data(), columns.data(), starts.data(), rows, cols};
  Array<T> y({cols, count});
  const GramCall<T> c = call(v, weights, shifts, 1, rows, cols, y.mutable_data());
  run([&](Pulse& pulse) {
    if constexpr (sizeof(I) == 4)
      kernels_of<T>().gram.csr32(phi, count, c, pulse);
    else
      kernels_of<T>().gram.csr64(phi, count, c, pulse);
  });
  return y;
}

template <class T, class I> void bind_sparse(py::module_& m) {
  m.def("gram_sparse", &sparse<T, I>, py::arg("values").noconvert(), py::arg("columns").noconvert(), py::arg("starts").noconvert(),
        py::arg("v").noconvert(), py::arg("weights").noconvert(), py::arg("shifts").noconvert());
}

template <class T> void bind(py::module_& m) {
  for (const auto& [name, f] : {std::pair("gram_dense", &dense<T>), std::pair("gram_many", &dense_many<T>)})
    m.def(name, f, py::arg("Phi").noconvert(), py::arg("v").noconvert(), py::arg("weights").noconvert(), py::arg("shifts").noconvert());
  bind_sparse<T, int>(m);
  bind_sparse<T, index>(m);
}

}  // namespace

void bind_gram(py::module_& m) {
  bind<double>(m);
  bind<float>(m);
}

}  // namespace pyblo
