// Arrays at the door: checked, then borrowed. Whatever is wrong is a TypeError or a ValueError that
// names the argument, what was found and what is wanted.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "edge/dispatch.h"
#include "edge/tensor_view.h"

namespace edge::bindings {

namespace py = pybind11;

std::string text(const py::handle& value);
std::string shape_of(const py::array& array);

[[noreturn]] void throw_type_error(const std::string& message);
[[noreturn]] void throw_value_error(const std::string& message);

py::array array_of(const py::handle& value, const std::string& what);

Type type_of(const py::array& array, const std::string& what);

template <class T>
void require_dtype(const py::array& array, const std::string& what) {
  if (!py::isinstance<py::array_t<T>>(array)) {
    throw_type_error(what + " must be " + text(py::dtype::of<T>()) + ", got " +
                     text(array.dtype()));
  }
}

// A stride in elements. An axis of one element may carry any stride.
std::ptrdiff_t stride_of(const py::array& array, int axis, const std::string& what);

void require_aligned(const py::array& array, const std::string& what);

void require_countable(std::size_t channels, std::size_t points, const std::string& what);

// The values of a `Tensor`, and the table without its shape.
py::array values_of(const py::handle& tensor, const std::string& what, TensorView& table);

// Rows (points, channels) as channels x points.
TensorView rows_of(const py::handle& tensor, const std::string& what);

struct Grid {
  TensorView table;
  std::size_t width = 0;
};

// The last three axes, channels x height x width, as channels x points.
Grid grid_of(const py::array& values, const TensorView& start, const std::string& what);
Grid grid_of(const py::handle& tensor, const std::string& what);

Target target_of(const std::optional<std::string>& wanted);

}  // namespace edge::bindings
