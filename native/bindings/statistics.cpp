#include "edge/statistics.h"

#include <cmath>
#include <string>
#include <tuple>

#include "arrays.h"
#include "module.h"

namespace edge::bindings {
namespace {

Span<const float> values_of(const py::handle& value) {
  const py::array array = array_of(value, "values");
  require_dtype<float>(array, "values");
  if (!(array.flags() & (py::array::c_style | py::array::f_style))) {
    throw_type_error("values must be contiguous, got strides " + text(array.attr("strides")));
  }
  require_aligned(array, "values");
  return {static_cast<const float*>(array.data()), static_cast<std::size_t>(array.size())};
}

Span<std::int64_t> counts_of(const py::handle& value) {
  py::array array = array_of(value, "counts");
  require_dtype<std::int64_t>(array, "counts");
  if (array.ndim() != 1 || array.size() == 0) {
    throw_value_error("counts must have shape (bins,), got " + shape_of(array));
  }
  if (!array.writeable()) throw_value_error("counts must be writable");
  if (!(array.flags() & py::array::c_style))
    throw_type_error("counts must be contiguous, got strides " + text(array.attr("strides")));
  require_aligned(array, "counts");
  return {static_cast<std::int64_t*>(array.mutable_data()), static_cast<std::size_t>(array.size())};
}

std::tuple<float, float> value_range(const py::handle& values,
                                     const std::optional<std::string>& target) {
  const auto span = values_of(values);
  const Target chosen = target_of(target);
  py::gil_scoped_release release;
  const Range range = edge::value_range(span, chosen);
  return {range.low, range.high};
}

void add_magnitudes(const py::handle& values, const py::handle& counts) {
  const auto span = values_of(values);
  const auto bins = counts_of(counts);
  if (bins.size() != kMagnitudes) {
    throw_value_error("counts must have shape (" + std::to_string(kMagnitudes) + ",), got (" +
                      std::to_string(bins.size()) + ",)");
  }
  py::gil_scoped_release release;
  edge::add_magnitudes(span, bins);
}

}  // namespace

void bind_statistics(py::module_& m) {
  using namespace py::literals;
  m.attr("MAGNITUDES") = kMagnitudes;

  m.def("value_range", &value_range, "values"_a, py::kw_only(), "target"_a = py::none(),
        R"(The least and the greatest of the finite values; (inf, -inf) when there are none.

Args:
    values: float32, contiguous, of any shape.
    target: SIMD target.
)");

  m.def("add_magnitudes", &add_magnitudes, "values"_a, "counts"_a,
        R"(Add to `counts` how many magnitudes have each upper half of float32's bits.

Such bins need no range beforehand, so one pass over the data is enough, and they are at most 1/128
of their value wide.

Args:
    values: float32, contiguous, of any shape; infinities and not-a-numbers have bins of their own.
    counts: (MAGNITUDES,) int64, added to in place.
)");
}

}  // namespace edge::bindings
