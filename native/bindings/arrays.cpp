#include "arrays.h"

namespace edge::bindings {

std::string text(const py::handle& value) { return py::str(value).cast<std::string>(); }

void throw_type_error(const std::string& message) { throw py::type_error(message); }
void throw_value_error(const std::string& message) { throw py::value_error(message); }

std::string shape_of(const py::array& array) { return text(array.attr("shape")); }

py::array array_of(const py::handle& value, const std::string& what) {
  if (!py::isinstance<py::array>(value)) {
    throw_type_error(what + " must be a NumPy array, got " +
                     text(py::type::of(value).attr("__name__")));
  }
  return py::reinterpret_borrow<py::array>(value);
}

Type type_of(const py::array& array, const std::string& what) {
  if (py::isinstance<py::array_t<float>>(array)) return Type::float32;
  if (py::isinstance<py::array_t<std::int8_t>>(array)) return Type::int8;
  if (py::isinstance<py::array_t<std::uint8_t>>(array)) return Type::uint8;
  throw_type_error(what + " must be float32, int8 or uint8, got " + text(array.dtype()));
}

std::ptrdiff_t stride_of(const py::array& array, int axis, const std::string& what) {
  if (array.shape(axis) <= 1) return 0;
  const auto size = array.itemsize();
  if (array.strides(axis) % size != 0) {
    throw_type_error(what + " must have strides that are multiples of its elements, got strides " +
                     text(array.attr("strides")));
  }
  return array.strides(axis) / size;
}

void require_aligned(const py::array& array, const std::string& what) {
  if (reinterpret_cast<std::uintptr_t>(array.data()) %
          static_cast<std::uintptr_t>(array.itemsize()) !=
      0) {
    throw_type_error(what + " must lie on a multiple of its element size");
  }
}

py::array values_of(const py::handle& tensor, const std::string& what, TensorView& table) {
  const py::array values = array_of(tensor.attr("values"), what);
  table.type = type_of(values, what);
  require_aligned(values, what);
  table.data = values.data();
  table.scale = tensor.attr("scale").cast<float>();
  table.zero_point = tensor.attr("zero_point").cast<int>();
  if (table.type != Type::float32) {
    if (!(std::isfinite(table.scale) && table.scale > 0)) {
      throw_value_error(what + ": the scale of codes must be above 0, got " +
                        std::to_string(table.scale));
    }
    if (table.zero_point < -65536 || table.zero_point > 65536) {
      throw_value_error(what + ": zero point out of range [-65536, 65536], got " +
                        std::to_string(table.zero_point));
    }
  }
  return values;
}

void require_countable(std::size_t channels, std::size_t points, const std::string& what) {
  constexpr std::size_t kMost = 2147483647;
  if (channels > kMost || points > kMost) {
    throw_value_error(what + " must have at most 2147483647 points and channels");
  }
}

TensorView rows_of(const py::handle& tensor, const std::string& what) {
  TensorView table;
  const py::array values = values_of(tensor, what, table);
  if (values.ndim() != 2) {
    throw_value_error(what + " must have shape (N, channels), got " + shape_of(values));
  }
  table.channels = static_cast<std::size_t>(values.shape(1));
  table.points = static_cast<std::size_t>(values.shape(0));
  table.channel_stride = stride_of(values, 1, what);
  table.point_stride = stride_of(values, 0, what);
  require_countable(table.channels, table.points, what);
  return table;
}

Grid grid_of(const py::array& values, const TensorView& start, const std::string& what) {
  const int first = static_cast<int>(values.ndim()) - 3;
  const auto height = values.shape(first + 1);
  const auto width = values.shape(first + 2);
  Grid grid{start, static_cast<std::size_t>(width)};
  grid.table.channels = static_cast<std::size_t>(values.shape(first));
  require_countable(grid.table.channels, static_cast<std::size_t>(height), what);
  require_countable(static_cast<std::size_t>(width), 0, what);
  grid.table.points = static_cast<std::size_t>(height) * grid.width;
  require_countable(0, grid.table.points, what);
  grid.table.channel_stride = stride_of(values, first, what);
  const std::ptrdiff_t across = stride_of(values, first + 2, what);
  const std::ptrdiff_t down = stride_of(values, first + 1, what);
  if (height > 1 && width > 1 && down != across * width) {
    throw_type_error(what + " must have no gaps between the rows of its grid, got shape " +
                     shape_of(values) + ", strides " + text(values.attr("strides")));
  }
  grid.table.point_stride = width > 1 ? across : down;
  return grid;
}

Grid grid_of(const py::handle& tensor, const std::string& what) {
  TensorView table;
  const py::array values = values_of(tensor, what, table);
  if (values.ndim() != 3) {
    throw_value_error(what + " must have shape (channels, H, W), got " + shape_of(values));
  }
  return grid_of(values, table, what);
}

Target target_of(const std::optional<std::string>& wanted) {
  if (!wanted) return best_target();
  std::string known;
  for (const Target target : available_targets()) {
    if (*wanted == name(target)) return target;
    known += std::string(known.empty() ? "" : ", ") + name(target);
  }
  throw_value_error("no SIMD target '" + *wanted + "' here; there are " + known);
}

}  // namespace edge::bindings
