// The only file that knows Python. It checks arrays, borrows their memory, releases the GIL, and
// calls a kernel. Documentation lives in edge/ops.py.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>

#include "edge/decode.h"
#include "edge/letterbox.h"
#include "edge/nms.h"

namespace py = pybind11;

namespace {

// --- What was found, in words -------------------------------------------------------------------

std::string text(const py::handle& value) { return py::str(value).cast<std::string>(); }

[[noreturn]] void wrong_type(const std::string& message) { throw py::type_error(message); }
[[noreturn]] void wrong_value(const std::string& message) { throw py::value_error(message); }

std::string shape_of(const py::array& array) { return text(array.attr("shape")); }

// --- Arrays at the door -------------------------------------------------------------------------

py::array array_of(const py::handle& value, const std::string& what) {
  if (!py::isinstance<py::array>(value)) {
    wrong_type(what + " is a NumPy array, got " + text(py::type::of(value).attr("__name__")));
  }
  return py::reinterpret_borrow<py::array>(value);
}

edge::Type type_of(const py::array& array, const std::string& what) {
  if (py::isinstance<py::array_t<float>>(array)) return edge::Type::float32;
  if (py::isinstance<py::array_t<std::int8_t>>(array)) return edge::Type::int8;
  if (py::isinstance<py::array_t<std::uint8_t>>(array)) return edge::Type::uint8;
  wrong_type(what + " is float32, int8 or uint8, got " + text(array.dtype()));
}

template <class T>
void require_dtype(const py::array& array, const std::string& what) {
  if (!py::isinstance<py::array_t<T>>(array)) {
    wrong_type(what + " is " + text(py::dtype::of<T>()) + ", got " + text(array.dtype()));
  }
}

// A stride in elements. An axis of one element may carry any stride.
std::ptrdiff_t stride_of(const py::array& array, int axis, const std::string& what) {
  if (array.shape(axis) <= 1) return 0;
  const auto size = array.itemsize();
  if (array.strides(axis) % size != 0) {
    wrong_type(what + " has a stride that is no multiple of its elements: strides " +
               text(array.attr("strides")));
  }
  return array.strides(axis) / size;
}

void require_aligned(const py::array& array, const std::string& what) {
  if (reinterpret_cast<std::uintptr_t>(array.data()) %
          static_cast<std::uintptr_t>(array.itemsize()) !=
      0) {
    wrong_type(what + " does not lie on a multiple of its element size");
  }
}

struct Grid {
  edge::Table table;
  std::size_t width = 0;
};

// A `Tensor` of channels x points: (points, channels) for rows, or (channels, height, width).
Grid grid_of(const py::handle& tensor, const std::string& what, bool rows) {
  const py::array values = array_of(tensor.attr("values"), what);
  Grid grid;
  edge::Table& table = grid.table;
  table.type = type_of(values, what);
  const char* wanted = rows ? "(N, channels)" : "(channels, H, W)";
  if (values.ndim() != (rows ? 2 : 3)) {
    wrong_value(what + " has shape " + wanted + ", got " + shape_of(values));
  }
  require_aligned(values, what);
  table.data = values.data();
  table.scale = tensor.attr("scale").cast<float>();
  table.zero_point = tensor.attr("zero_point").cast<int>();
  if (table.type != edge::Type::float32 && !(std::isfinite(table.scale) && table.scale > 0)) {
    wrong_value(what + " holds codes, whose scale is above 0; got " + std::to_string(table.scale));
  }
  const int channel_axis = rows ? 1 : 0;
  table.channels = static_cast<std::size_t>(values.shape(channel_axis));
  table.channel_stride = stride_of(values, channel_axis, what);
  if (rows) {
    table.points = static_cast<std::size_t>(values.shape(0));
    table.point_stride = stride_of(values, 0, what);
    return grid;
  }
  grid.width = static_cast<std::size_t>(values.shape(2));
  table.points = static_cast<std::size_t>(values.shape(1)) * grid.width;
  const std::ptrdiff_t across = stride_of(values, 2, what);
  const std::ptrdiff_t down = stride_of(values, 1, what);
  if (values.shape(1) > 1 && values.shape(2) > 1 && down != across * values.shape(2)) {
    wrong_type(what + " has gaps between the rows of its grid: shape " + shape_of(values) +
               ", strides " + text(values.attr("strides")));
  }
  table.point_stride = values.shape(2) > 1 ? across : down;
  return grid;
}

edge::Target target_of(const std::optional<std::string>& wanted) {
  if (!wanted) return edge::best_target();
  std::string known;
  for (const edge::Target target : edge::available_targets()) {
    if (*wanted == edge::name(target)) return target;
    known += std::string(known.empty() ? "" : ", ") + edge::name(target);
  }
  wrong_value("no SIMD target '" + *wanted + "' here; there are " + known);
}

edge::Scoring scoring_of(float threshold, bool multi_label, bool logits) {
  if (std::isnan(threshold)) wrong_value("score_threshold is a number, got nan");
  return {threshold, multi_label, logits};
}

// --- Results ------------------------------------------------------------------------------------

using Columns = std::tuple<py::array, py::array, py::array>;

Columns columns_of(const edge::Candidates& found) {
  const auto n = static_cast<py::ssize_t>(found.scores.size());
  return {py::array_t<float>({n, py::ssize_t{4}}, found.boxes.data()),
          py::array_t<float>(n, found.scores.data()),
          py::array_t<std::int32_t>(n, found.class_ids.data())};
}

// --- Kernels ------------------------------------------------------------------------------------

edge::PixelFormat format_of(const std::string& name) {
  if (name == "BGR") return edge::PixelFormat::bgr;
  if (name == "RGB") return edge::PixelFormat::rgb;
  if (name == "GRAY") return edge::PixelFormat::gray;
  if (name == "NV12") return edge::PixelFormat::nv12;
  if (name == "I420") return edge::PixelFormat::i420;
  if (name == "YUYV") return edge::PixelFormat::yuyv;
  wrong_value("a frame is BGR, RGB, GRAY, NV12, I420 or YUYV, got '" + name + "'");
}

struct PlaneShape {
  int height, width, depth;
};

std::vector<PlaneShape> plane_shapes(edge::PixelFormat format, int height, int width) {
  const int half_height = (height + 1) / 2;
  const int half_width = (width + 1) / 2;
  switch (format) {
    case edge::PixelFormat::gray: return {{height, width, 1}};
    case edge::PixelFormat::yuyv: return {{height, width, 2}};
    case edge::PixelFormat::nv12: return {{height, width, 1}, {half_height, half_width, 2}};
    case edge::PixelFormat::i420:
      return {{height, width, 1}, {half_height, half_width, 1}, {half_height, half_width, 1}};
    default: return {{height, width, 3}};
  }
}

edge::Image image_of(const py::tuple& planes, const std::string& format_name, int height,
                     int width) {
  edge::Image image{format_of(format_name), height, width, {}, {}};
  const auto shapes = plane_shapes(image.format, height, width);
  if (image.format == edge::PixelFormat::yuyv && width % 2 != 0) {
    wrong_value("a YUYV frame has an even width, got " + std::to_string(width));
  }
  if (planes.size() != shapes.size()) {
    wrong_value("a frame of " + format_name + " has " + std::to_string(shapes.size()) +
                " planes, got " + std::to_string(planes.size()));
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::string what = "plane " + std::to_string(i) + " of the " + format_name + " frame";
    const py::array plane = array_of(planes[i], what);
    require_dtype<std::uint8_t>(plane, what);
    const PlaneShape& wanted = shapes[i];
    const bool fits = plane.ndim() == (wanted.depth == 1 ? 2 : 3) &&
                      plane.shape(0) == wanted.height && plane.shape(1) == wanted.width &&
                      (wanted.depth == 1 || plane.shape(2) == wanted.depth);
    if (!fits) {
      const std::string depth = wanted.depth == 1 ? "" : ", " + std::to_string(wanted.depth);
      wrong_value(what + " has shape (" + std::to_string(wanted.height) + ", " +
                  std::to_string(wanted.width) + depth + "), got " + shape_of(plane));
    }
    const bool contiguous = (wanted.width == 1 || plane.strides(1) == wanted.depth) &&
                            (wanted.depth == 1 || plane.strides(2) == 1);
    if (!contiguous) {
      wrong_type(what + " has contiguous rows, got strides " + text(plane.attr("strides")));
    }
    image.planes[i] = static_cast<const std::uint8_t*>(plane.data());
    image.row_strides[i] = plane.strides(0);
  }
  return image;
}

edge::Input input_of(py::array& out, bool interleaved, int height, int width) {
  edge::Input input{};
  input.type = type_of(out, "out");
  const int first = out.ndim() == 4 ? 1 : 0;  // a batch axis of one
  const int rows = first + (interleaved ? 0 : 1);
  const int channels = first + (interleaved ? 2 : 0);
  const bool fits = (out.ndim() == 3 || (out.ndim() == 4 && out.shape(0) == 1)) &&
                    out.shape(channels) == 3 && out.shape(rows) == height &&
                    out.shape(rows + 1) == width;
  if (!fits) {
    const std::string size = std::to_string(height) + ", " + std::to_string(width);
    const std::string shape = interleaved ? size + ", 3" : "3, " + size;
    wrong_value("out has shape (" + shape + ") or (1, " + shape + "), got " + shape_of(out));
  }
  if (!out.writeable()) wrong_value("out is read-only");
  require_aligned(out, "out");
  input.data = out.mutable_data();
  input.height = height;
  input.width = width;
  input.interleaved = interleaved;
  input.row_stride = stride_of(out, rows, "out");
  const std::ptrdiff_t across = stride_of(out, rows + 1, "out");
  const std::ptrdiff_t channel = stride_of(out, channels, "out");
  const bool contiguous =
      interleaved ? channel == 1 && (width == 1 || across == 3) : width == 1 || across == 1;
  if (!contiguous) {
    wrong_type("out has contiguous rows, got strides " + text(out.attr("strides")));
  }
  input.channel_stride = interleaved ? 0 : channel;
  return input;
}

void letterbox(const py::tuple& planes, const std::string& format, std::array<int, 2> image_size,
               std::array<int, 2> input_size, std::array<int, 4> place, py::handle out,
               bool interleaved, bool rgb, std::array<float, 3> mean, std::array<float, 3> scale,
               std::array<int, 3> pad, const std::optional<std::string>& target) {
  const edge::Image image = image_of(planes, format, image_size[0], image_size[1]);
  py::array buffer = array_of(out, "out");
  const edge::Input input = input_of(buffer, interleaved, input_size[0], input_size[1]);
  const edge::Placement placement{place[0], place[1], place[2], place[3]};
  if (placement.top < 0 || placement.left < 0 || placement.height < 1 || placement.width < 1 ||
      placement.height > input.height - placement.top ||
      placement.width > input.width - placement.left) {
    wrong_value("the geometry places the image outside the input");
  }
  edge::Pixels pixels{};
  pixels.rgb = rgb;
  for (std::size_t c = 0; c < 3; ++c) {
    if (pad[c] < 0 || pad[c] > 255) {
      wrong_value("pad is a pixel value, 0-255, got " + std::to_string(pad[c]));
    }
    pixels.mean[c] = mean[c];
    pixels.scale[c] = scale[c];
    pixels.pad[c] = static_cast<std::uint8_t>(pad[c]);
  }
  const edge::Target chosen = target_of(target);
  py::gil_scoped_release release;
  edge::letterbox(image, placement, pixels, input, chosen);
}

Columns decode_rows(const py::handle& rows, bool objectness, bool corners, float threshold,
                    bool multi_label, const std::optional<std::string>& target) {
  const edge::Table table = grid_of(rows, "rows", true).table;
  const std::size_t first = objectness ? 5 : 4;
  if (table.channels <= first) {
    wrong_value("rows have " + std::to_string(first) + " columns and one per class, got " +
                std::to_string(table.channels));
  }
  edge::Head head;
  head.boxes = table.slice(0, 4);
  if (objectness) head.objectness = table.slice(4, 1);
  head.scores = table.slice(first, table.channels - first);
  const edge::Scoring scoring = scoring_of(threshold, multi_label, false);
  const auto form = corners ? edge::BoxForm::corners : edge::BoxForm::centre_size;
  const edge::Target chosen = target_of(target);
  edge::Candidates found;
  {
    py::gil_scoped_release release;
    edge::decode_boxes(head, form, scoring, found, chosen);
  }
  return columns_of(found);
}

Columns decode_distances(const py::sequence& heads, const py::object& boxes,
                         const std::vector<float>& strides, int bins, float offset, float threshold,
                         bool multi_label, bool logits, const std::optional<std::string>& target) {
  if (bins < 1 || bins > 1024) {
    wrong_value("bins is 1 to 1024, got " + std::to_string(bins));
  }
  if (heads.size() != strides.size()) {
    wrong_value("there is one stride per head, got " + std::to_string(strides.size()) + " for " +
                std::to_string(heads.size()) + " heads");
  }
  const bool apart = !boxes.is_none();
  if (apart && py::len(boxes) != heads.size()) {
    wrong_value("there are as many boxes as heads, got " + std::to_string(py::len(boxes)) +
                " for " + std::to_string(heads.size()));
  }
  const std::size_t sides = 4 * static_cast<std::size_t>(bins);
  std::vector<edge::Head> levels;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const std::string what = "head " + std::to_string(i);
    const Grid grid = grid_of(heads[i], what, false);
    edge::Head level;
    level.width = grid.width;
    level.stride = strides[i];
    if (!(std::isfinite(strides[i]) && strides[i] > 0)) {
      wrong_value("a stride is above 0, got " + std::to_string(strides[i]));
    }
    if (apart) {
      const std::string box_name = "boxes " + std::to_string(i);
      const Grid other = grid_of(boxes[py::int_(i)], box_name, false);
      if (other.table.channels != sides || other.width != grid.width ||
          other.table.points != grid.table.points) {
        wrong_value(box_name + " has " + std::to_string(sides) + " channels and the grid of its " +
                    what);
      }
      level.scores = grid.table;
      level.boxes = other.table;
    } else {
      if (grid.table.channels <= sides) {
        wrong_value(what + " has one channel per class and " + std::to_string(sides) +
                    " for the box, got " + std::to_string(grid.table.channels));
      }
      level.scores = grid.table.slice(0, grid.table.channels - sides);
      level.boxes = grid.table.slice(grid.table.channels - sides, sides);
    }
    if (level.scores.channels == 0) wrong_value(what + " has no class");
    levels.push_back(level);
  }
  const edge::Scoring scoring = scoring_of(threshold, multi_label, logits);
  const edge::Target chosen = target_of(target);
  edge::Candidates found;
  {
    py::gil_scoped_release release;
    edge::decode_distances({levels.data(), levels.size()}, {static_cast<std::size_t>(bins), offset},
                           scoring, found, chosen);
  }
  return columns_of(found);
}

template <class T>
edge::Column<T> column_of(const py::handle& value, const std::string& what, py::ssize_t size) {
  const py::array array = array_of(value, what);
  require_dtype<T>(array, what);
  if (array.ndim() != 1 || array.shape(0) != size) {
    wrong_value(what + " has shape (" + std::to_string(size) + ",), got " + shape_of(array));
  }
  require_aligned(array, what);
  return {static_cast<const T*>(array.data()), stride_of(array, 0, what),
          static_cast<std::size_t>(size)};
}

edge::BoxList boxes_of(const py::handle& value) {
  const py::array array = array_of(value, "boxes");
  require_dtype<float>(array, "boxes");
  if (array.ndim() != 2 || array.shape(1) != 4) {
    wrong_value("boxes has shape (N, 4), got " + shape_of(array));
  }
  if (array.shape(0) > 0 && array.strides(1) != 4) {
    wrong_type("boxes has contiguous rows, got strides " + text(array.attr("strides")));
  }
  require_aligned(array, "boxes");
  return {static_cast<const float*>(array.data()), stride_of(array, 0, "boxes"),
          static_cast<std::size_t>(array.shape(0))};
}

py::array nms(const py::handle& boxes, const py::handle& scores, const py::handle& class_ids,
              float iou_threshold, std::optional<std::int64_t> max_detections, bool class_agnostic,
              const std::optional<std::string>& target) {
  const edge::BoxList list = boxes_of(boxes);
  const auto n = static_cast<py::ssize_t>(list.size);
  const auto score = column_of<float>(scores, "scores", n);
  const auto class_id = column_of<std::int32_t>(class_ids, "class_ids", n);
  if (!(iou_threshold >= 0 && iou_threshold <= 1)) {
    wrong_value("iou_threshold is 0 to 1, got " + std::to_string(iou_threshold));
  }
  edge::Suppression how{iou_threshold, class_agnostic};
  if (max_detections) {
    if (*max_detections < 0) {
      wrong_value("max_detections is not negative, got " + std::to_string(*max_detections));
    }
    how.max_detections = static_cast<std::size_t>(*max_detections);
  }
  const edge::Target chosen = target_of(target);
  std::vector<std::int32_t> kept;
  {
    py::gil_scoped_release release;
    kept = edge::nms(list, score, class_id, how, chosen);
  }
  return py::array_t<std::int32_t>(static_cast<py::ssize_t>(kept.size()), kept.data());
}

py::tuple targets() {
  const auto found = edge::available_targets();
  py::tuple names(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) names[i] = edge::name(found[i]);
  return names;
}

}  // namespace

PYBIND11_MODULE(_native, m, py::mod_gil_not_used()) {
  m.def("letterbox", &letterbox);
  m.def("decode_rows", &decode_rows);
  m.def("decode_distances", &decode_distances);
  m.def("nms", &nms);
  m.def("targets", &targets);
  m.def("target", [] { return std::string(edge::name(edge::best_target())); });
}
