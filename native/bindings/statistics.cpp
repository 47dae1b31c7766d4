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
    wrong_type("values is contiguous, got strides " + text(array.attr("strides")));
  }
  require_aligned(array, "values");
  return {static_cast<const float*>(array.data()), static_cast<std::size_t>(array.size())};
}

Span<std::int64_t> counts_of(const py::handle& value) {
  py::array array = array_of(value, "counts");
  require_dtype<std::int64_t>(array, "counts");
  if (array.ndim() != 1 || array.size() == 0) {
    wrong_value("counts has shape (bins,), got " + shape_of(array));
  }
  if (!array.writeable()) wrong_value("counts is read-only");
  if (!(array.flags() & py::array::c_style)) wrong_type("counts is contiguous");
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

void add_histogram(const py::handle& values, float low, float high, const py::handle& counts) {
  const auto span = values_of(values);
  const auto bins = counts_of(counts);
  if (!(std::isfinite(low) && std::isfinite(high) && low < high)) {
    wrong_value("a histogram has low < high, both finite, got " + std::to_string(low) + " and " +
                std::to_string(high));
  }
  py::gil_scoped_release release;
  edge::add_histogram(span, low, high, bins);
}

void add_magnitudes(const py::handle& values, const py::handle& counts) {
  const auto span = values_of(values);
  const auto bins = counts_of(counts);
  if (bins.size() != kMagnitudes) {
    wrong_value("counts has shape (" + std::to_string(kMagnitudes) + ",), got (" +
                std::to_string(bins.size()) + ",)");
  }
  py::gil_scoped_release release;
  edge::add_magnitudes(span, bins);
}

}  // namespace

void bind_statistics(py::module_& m) {
  m.def("value_range", &value_range);
  m.def("add_histogram", &add_histogram);
  m.def("add_magnitudes", &add_magnitudes);
}

}  // namespace edge::bindings
