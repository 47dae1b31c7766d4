// The only file that knows Python. It checks arrays, borrows their memory, releases the GIL, and
// calls a kernel. Documentation lives in edge/ops.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>

#include "edge/decode_boxes.h"
#include "edge/decode_centres.h"
#include "edge/decode_distances.h"
#include "edge/decode_peaks.h"
#include "edge/letterbox.h"
#include "edge/merge.h"
#include "edge/nms.h"
#include "edge/soft_nms.h"
#include "edge/statistics.h"

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

// The values of a `Tensor`, and the table without its shape.
py::array values_of(const py::handle& tensor, const std::string& what, edge::Table& table) {
  const py::array values = array_of(tensor.attr("values"), what);
  table.type = type_of(values, what);
  require_aligned(values, what);
  table.data = values.data();
  table.scale = tensor.attr("scale").cast<float>();
  table.zero_point = tensor.attr("zero_point").cast<int>();
  if (table.type != edge::Type::float32) {
    if (!(std::isfinite(table.scale) && table.scale > 0)) {
      wrong_value(what + " holds codes, whose scale is above 0; got " +
                  std::to_string(table.scale));
    }
    if (table.zero_point < -65536 || table.zero_point > 65536) {
      wrong_value(what + " has an absurd zero point: " + std::to_string(table.zero_point));
    }
  }
  return values;
}

void require_countable(std::size_t channels, std::size_t points, const std::string& what) {
  constexpr std::size_t kMost = 2147483647;
  if (channels > kMost || points > kMost) {
    wrong_value(what + " has more points or channels than can be numbered");
  }
}

// Rows (points, channels) as channels x points.
edge::Table rows_of(const py::handle& tensor, const std::string& what) {
  edge::Table table;
  const py::array values = values_of(tensor, what, table);
  if (values.ndim() != 2) {
    wrong_value(what + " has shape (N, channels), got " + shape_of(values));
  }
  table.channels = static_cast<std::size_t>(values.shape(1));
  table.points = static_cast<std::size_t>(values.shape(0));
  table.channel_stride = stride_of(values, 1, what);
  table.point_stride = stride_of(values, 0, what);
  require_countable(table.channels, table.points, what);
  return table;
}

struct Grid {
  edge::Table table;
  std::size_t width = 0;
};

// The last three axes, channels x height x width, as channels x points.
Grid grid_of(const py::array& values, const edge::Table& start, const std::string& what) {
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
    wrong_type(what + " has gaps between the rows of its grid: shape " + shape_of(values) +
               ", strides " + text(values.attr("strides")));
  }
  grid.table.point_stride = width > 1 ? across : down;
  return grid;
}

Grid grid_of(const py::handle& tensor, const std::string& what) {
  edge::Table table;
  const py::array values = values_of(tensor, what, table);
  if (values.ndim() != 3) {
    wrong_value(what + " has shape (channels, H, W), got " + shape_of(values));
  }
  return grid_of(values, table, what);
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
  edge::Scoring scoring;
  scoring.threshold = threshold;
  scoring.multi_label = multi_label;
  scoring.activation = logits ? edge::Activation::sigmoid : edge::Activation::none;
  return scoring;
}

// --- Results ------------------------------------------------------------------------------------

using Columns = std::tuple<py::array, py::array, py::array>;

Columns columns_of(const edge::Candidates& found) {
  const auto n = static_cast<py::ssize_t>(found.scores.size());
  return {py::array_t<float>({n, py::ssize_t{4}}, found.boxes.data()),
          py::array_t<float>(n, found.scores.data()),
          py::array_t<std::int32_t>(n, found.class_ids.data())};
}

// Runs a decoder without the GIL. With `most`, keeps the best of what it found.
template <class Decode>
Columns decoded(const Decode& decode, std::optional<std::int64_t> most = {}) {
  if (most && *most < 0) wrong_value("most is not negative, got " + std::to_string(*most));
  edge::Candidates found;
  {
    py::gil_scoped_release release;
    decode(found);
    if (most) edge::keep_best(found, static_cast<std::size_t>(*most));
  }
  return columns_of(found);
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

// Splits x, y, w, h, [objectness,] classes.
edge::Head head_of(const edge::Table& table, bool objectness, const std::string& what,
                   const std::string& channels) {
  const std::size_t first = objectness ? 5 : 4;
  if (table.channels <= first) {
    wrong_value(what + " have " + std::to_string(first) + " " + channels +
                " and one per class, got " + std::to_string(table.channels));
  }
  edge::Head head;
  head.boxes = table.slice(0, 4);
  if (objectness) head.objectness = table.slice(4, 1);
  head.scores = table.slice(first, table.channels - first);
  return head;
}

float stride_above_zero(float stride) {
  if (!(std::isfinite(stride) && stride > 0)) {
    wrong_value("a stride is above 0, got " + std::to_string(stride));
  }
  return stride;
}

void require_as_many(const py::sequence& heads, std::size_t count, const char* what) {
  if (heads.size() != count) {
    wrong_value(std::string("there is one ") + what + " per head, got " + std::to_string(count) +
                " for " + std::to_string(heads.size()) + " heads");
  }
}

Columns decode_rows(const py::handle& rows, bool objectness, bool corners, float threshold,
                    bool multi_label, const std::optional<std::string>& target) {
  const edge::Head head = head_of(rows_of(rows, "rows"), objectness, "rows", "columns");
  const edge::Scoring scoring = scoring_of(threshold, multi_label, false);
  edge::BoxForm form;
  form.corners = corners;
  const edge::Target chosen = target_of(target);
  return decoded(
      [&](edge::Candidates& out) { edge::decode_boxes(head, form, scoring, out, chosen); });
}

void set_scale(edge::BoxForm& form, std::array<float, 2> scale) {
  for (const float value : scale) {
    if (!std::isfinite(value)) wrong_value("scale is finite, got " + std::to_string(value));
  }
  form.scale_x = scale[0];
  form.scale_y = scale[1];
}

edge::Table four_columns(const py::handle& boxes, std::size_t points) {
  const edge::Table table = rows_of(boxes, "boxes");
  if (table.channels != 4 || table.points != points) {
    wrong_value("boxes has shape (" + std::to_string(points) + ", 4), got (" +
                std::to_string(table.points) + ", " + std::to_string(table.channels) + ")");
  }
  return table;
}

Columns decode_boxes(const py::handle& scores, const py::handle& boxes, float threshold,
                     bool multi_label, const std::string& activation,
                     const std::optional<std::string>& background, bool corners,
                     std::array<float, 2> scale, const py::object& priors,
                     std::array<float, 2> variances, std::optional<std::int64_t> most,
                     const std::optional<std::string>& target) {
  edge::Scoring scoring = scoring_of(threshold, multi_label, activation == "sigmoid");
  if (activation == "softmax") {
    scoring.activation = edge::Activation::softmax;
  } else if (activation != "none" && activation != "sigmoid") {
    wrong_value("activation is none, sigmoid or softmax, got '" + activation + "'");
  }
  edge::Head head;
  head.scores = rows_of(scores, "scores");
  if (background) {
    const bool first = *background == "first";
    if (!first && *background != "last") {
      wrong_value("background is first or last, got '" + *background + "'");
    }
    if (head.scores.channels < 1) wrong_value("scores has no background");
    const std::size_t count = head.scores.channels - 1;
    head.background = head.scores.slice(first ? 0 : count, 1);
    head.scores = head.scores.slice(first ? 1 : 0, count);
  }
  if (head.scores.channels == 0) wrong_value("scores has no class");
  head.boxes = four_columns(boxes, head.scores.points);
  edge::BoxForm form;
  form.corners = corners;
  set_scale(form, scale);
  if (!priors.is_none()) {
    const py::array array = array_of(priors, "priors");
    require_dtype<float>(array, "priors");
    if (array.ndim() != 2 || array.shape(1) != 4 ||
        static_cast<std::size_t>(array.shape(0)) != head.scores.points) {
      wrong_value("priors has shape (" + std::to_string(head.scores.points) + ", 4), got " +
                  shape_of(array));
    }
    if (!(array.flags() & py::array::c_style)) wrong_type("priors is contiguous");
    require_aligned(array, "priors");
    form.priors = static_cast<const float*>(array.data());
    form.centre_variance = variances[0];
    form.size_variance = variances[1];
  }
  const edge::Target chosen = target_of(target);
  return decoded(
      [&](edge::Candidates& out) { edge::decode_boxes(head, form, scoring, out, chosen); }, most);
}

// The i-th of some tensors that belong to the heads.
edge::Table beside(const py::object& tensors, std::size_t i, const char* name, std::size_t channels,
                   const Grid& grid) {
  const std::string what = std::string(name) + " " + std::to_string(i);
  const Grid other = grid_of(tensors[py::int_(i)], what);
  if (other.table.channels != channels || other.width != grid.width ||
      other.table.points != grid.table.points) {
    wrong_value(what + " has " + std::to_string(channels) + " channels and the grid of head " +
                std::to_string(i));
  }
  return other.table;
}

Columns decode_distances(const py::sequence& heads, const py::object& boxes,
                         const py::object& centreness, const std::vector<float>& strides, int bins,
                         float offset, bool in_pixels, float threshold, bool multi_label,
                         bool logits, bool root, const std::optional<std::string>& target) {
  if (bins < 1 || bins > 1024) wrong_value("bins is 1 to 1024, got " + std::to_string(bins));
  require_as_many(heads, strides.size(), "stride");
  if (!boxes.is_none()) require_as_many(heads, py::len(boxes), "tensor of boxes");
  if (!centreness.is_none()) require_as_many(heads, py::len(centreness), "centreness");
  const std::size_t sides = 4 * static_cast<std::size_t>(bins);
  std::vector<edge::Head> levels;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const std::string what = "head " + std::to_string(i);
    const Grid grid = grid_of(heads[i], what);
    edge::Head level;
    level.width = grid.width;
    level.stride = stride_above_zero(strides[i]);
    if (!boxes.is_none()) {
      level.scores = grid.table;
      level.boxes = beside(boxes, i, "boxes", sides, grid);
    } else {
      if (grid.table.channels <= sides) {
        wrong_value(what + " has one channel per class and " + std::to_string(sides) +
                    " for the box, got " + std::to_string(grid.table.channels));
      }
      level.scores = grid.table.slice(0, grid.table.channels - sides);
      level.boxes = grid.table.slice(grid.table.channels - sides, sides);
    }
    if (level.scores.channels == 0) wrong_value(what + " has no class");
    if (!centreness.is_none()) {
      level.objectness = beside(centreness, i, "centreness", 1, grid);
      if (level.objectness.type != level.scores.type) {
        wrong_type("centreness " + std::to_string(i) + " has the dtype of its head");
      }
    }
    levels.push_back(level);
  }
  edge::Scoring scoring = scoring_of(threshold, multi_label, logits);
  scoring.root = root && !centreness.is_none();
  const edge::Distances distances{static_cast<std::size_t>(bins), offset, in_pixels};
  const edge::Target chosen = target_of(target);
  return decoded([&](edge::Candidates& out) {
    edge::decode_distances({levels.data(), levels.size()}, distances, scoring, out, chosen);
  });
}

Columns decode_centres(const py::sequence& heads, const std::vector<float>& strides,
                       float threshold, bool multi_label, bool logits, bool objectness,
                       const std::optional<std::string>& target) {
  require_as_many(heads, strides.size(), "stride");
  std::vector<edge::Head> levels;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const Grid grid = grid_of(heads[i], "head " + std::to_string(i));
    levels.push_back(head_of(grid.table, objectness, "heads", "channels"));
    levels.back().width = grid.width;
    levels.back().stride = stride_above_zero(strides[i]);
  }
  const edge::Scoring scoring = scoring_of(threshold, multi_label, logits);
  const edge::Target chosen = target_of(target);
  return decoded([&](edge::Candidates& out) {
    edge::decode_centres({levels.data(), levels.size()}, scoring, out, chosen);
  });
}

Columns decode_anchors(const py::sequence& heads,
                       const std::vector<std::vector<std::array<float, 2>>>& anchors,
                       const std::vector<float>& strides, float threshold, bool multi_label,
                       bool logits, bool objectness, const std::optional<std::string>& target) {
  require_as_many(heads, strides.size(), "stride");
  require_as_many(heads, anchors.size(), "list of anchors");
  std::vector<edge::Head> levels;
  std::vector<edge::Anchor> sizes;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const std::string what = "head " + std::to_string(i);
    const std::size_t count = anchors[i].size();
    edge::Table table;
    const py::array values = values_of(heads[i], what, table);
    const bool apart = values.ndim() == 4 && static_cast<std::size_t>(values.shape(0)) == count;
    const bool together =
        values.ndim() == 3 && count > 0 && static_cast<std::size_t>(values.shape(0)) % count == 0;
    if (!apart && !together) {
      wrong_value(what + " has shape (" + std::to_string(count) + ", channels, H, W) or (" +
                  std::to_string(count) + " * channels, H, W), got " + shape_of(values));
    }
    const Grid grid = grid_of(values, table, what);
    const std::size_t channels = grid.table.channels / (apart ? 1 : count);
    const std::ptrdiff_t step =
        apart ? stride_of(values, 0, what)
              : static_cast<std::ptrdiff_t>(channels) * grid.table.channel_stride;
    for (std::size_t a = 0; a < count; ++a) {
      edge::Table one = grid.table;
      one.data = static_cast<const char*>(one.data) +
                 static_cast<std::ptrdiff_t>(a) * step * values.itemsize();
      one.channels = channels;
      levels.push_back(head_of(one, objectness, "heads", "channels per anchor"));
      levels.back().width = grid.width;
      levels.back().stride = stride_above_zero(strides[i]);
      sizes.push_back({anchors[i][a][0], anchors[i][a][1]});
    }
  }
  const edge::Scoring scoring = scoring_of(threshold, multi_label, logits);
  const edge::Target chosen = target_of(target);
  return decoded([&](edge::Candidates& out) {
    edge::decode_anchors({levels.data(), levels.size()}, {sizes.data(), sizes.size()}, scoring, out,
                         chosen);
  });
}

Columns decode_peaks(const py::handle& heat, const py::handle& sizes, const py::object& offsets,
                     float stride, float threshold, bool logits, std::optional<std::int64_t> most,
                     const std::optional<std::string>& target) {
  const Grid grid = grid_of(heat, "heat");
  const auto two = [&](const py::handle& tensor, const std::string& what) {
    const Grid other = grid_of(tensor, what);
    if (other.table.channels != 2 || other.width != grid.width ||
        other.table.points != grid.table.points) {
      wrong_value(what + " has two channels and the grid of heat");
    }
    return other.table;
  };
  edge::Head head;
  head.scores = grid.table;
  head.boxes = two(sizes, "sizes");
  head.width = grid.width;
  head.stride = stride_above_zero(stride);
  const edge::Table placed = offsets.is_none() ? edge::Table{} : two(offsets, "offsets");
  const edge::Scoring scoring = scoring_of(threshold, false, logits);
  const edge::Target chosen = target_of(target);
  return decoded(
      [&](edge::Candidates& out) { edge::decode_peaks(head, placed, scoring, out, chosen); }, most);
}

// A class id that may be written as any number; -1 where it is none.
template <class T>
std::int32_t class_id_at(const py::array& ids, py::ssize_t i) {
  const T value = *static_cast<const T*>(ids.data(i));
  if (!(value >= 0 && static_cast<double>(value) <= 2147483647.0)) return -1;
  return static_cast<std::int32_t>(value);
}

Columns decode_final(const py::handle& boxes, const py::handle& scores, const py::handle& ids,
                     float threshold, bool corners, std::array<float, 2> scale) {
  edge::Head head;
  const py::array score_values = values_of(scores, "scores", head.scores);
  if (score_values.ndim() != 1) wrong_value("scores has shape (N,), got " + shape_of(score_values));
  head.scores.channels = 1;
  head.scores.points = static_cast<std::size_t>(score_values.shape(0));
  head.scores.point_stride = stride_of(score_values, 0, "scores");
  require_countable(1, head.scores.points, "scores");
  head.boxes = four_columns(boxes, head.scores.points);
  const py::array numbers = array_of(ids, "class_ids");
  if (numbers.ndim() != 1 || numbers.shape(0) != score_values.shape(0)) {
    wrong_value("class_ids has shape (" + std::to_string(head.scores.points) + ",), got " +
                shape_of(numbers));
  }
  require_aligned(numbers, "class_ids");
  std::vector<std::int32_t> class_ids(head.scores.points);
  for (py::ssize_t i = 0; i < numbers.shape(0); ++i) {
    std::int32_t& out = class_ids[static_cast<std::size_t>(i)];
    if (py::isinstance<py::array_t<float>>(numbers)) {
      out = class_id_at<float>(numbers, i);
    } else if (py::isinstance<py::array_t<std::int32_t>>(numbers)) {
      out = class_id_at<std::int32_t>(numbers, i);
    } else if (py::isinstance<py::array_t<std::int64_t>>(numbers)) {
      out = class_id_at<std::int64_t>(numbers, i);
    } else {
      wrong_type("class_ids is float32, int32 or int64, got " + text(numbers.dtype()));
    }
  }
  edge::BoxForm form;
  form.corners = corners;
  set_scale(form, scale);
  const edge::Scoring scoring = scoring_of(threshold, false, false);
  return decoded([&](edge::Candidates& out) {
    edge::decode_final(head, {class_ids.data(), class_ids.size()}, form, scoring, out);
  });
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

// Boxes with the columns that belong to them.
struct Found {
  edge::BoxList boxes;
  edge::Column<float> scores;
  edge::Column<std::int32_t> class_ids;
};

Found found_of(const py::handle& boxes, const py::handle& scores, const py::handle& class_ids) {
  const edge::BoxList list = boxes_of(boxes);
  require_countable(0, list.size, "boxes");
  const auto n = static_cast<py::ssize_t>(list.size);
  return {list, column_of<float>(scores, "scores", n),
          column_of<std::int32_t>(class_ids, "class_ids", n)};
}

void require_share(float value, const char* what) {
  if (!(value >= 0 && value <= 1)) {
    wrong_value(std::string(what) + " is 0 to 1, got " + std::to_string(value));
  }
}

std::size_t count_or_all(std::optional<std::int64_t> count, const char* what) {
  if (!count) return static_cast<std::size_t>(-1);
  if (*count < 0) {
    wrong_value(std::string(what) + " is not negative, got " + std::to_string(*count));
  }
  return static_cast<std::size_t>(*count);
}

edge::Suppression suppression_of(float iou_threshold, std::optional<std::int64_t> max_detections,
                                 std::optional<std::int64_t> top_k, bool class_agnostic) {
  require_share(iou_threshold, "iou_threshold");
  edge::Suppression how;
  how.iou_threshold = iou_threshold;
  how.class_agnostic = class_agnostic;
  how.max_detections = count_or_all(max_detections, "max_detections");
  how.top_k = count_or_all(top_k, "top_k");
  return how;
}

py::array nms(const py::handle& boxes, const py::handle& scores, const py::handle& class_ids,
              float iou_threshold, std::optional<std::int64_t> max_detections,
              std::optional<std::int64_t> top_k, bool class_agnostic, bool centre_distance,
              const std::optional<std::string>& target) {
  const Found found = found_of(boxes, scores, class_ids);
  auto how = suppression_of(iou_threshold, max_detections, top_k, class_agnostic);
  how.centre_distance = centre_distance;
  const edge::Target chosen = target_of(target);
  std::vector<std::int32_t> kept;
  {
    py::gil_scoped_release release;
    kept = edge::nms(found.boxes, found.scores, found.class_ids, how, chosen);
  }
  return py::array_t<std::int32_t>(static_cast<py::ssize_t>(kept.size()), kept.data());
}

py::tuple soften(bool matrix, const py::handle& boxes, const py::handle& scores,
                 const py::handle& class_ids, const std::string& decay, float sigma,
                 float iou_threshold, float score_threshold,
                 std::optional<std::int64_t> max_detections, std::optional<std::int64_t> top_k,
                 bool class_agnostic) {
  const Found found = found_of(boxes, scores, class_ids);
  edge::Softness how;
  if (decay != "linear" && decay != "gaussian") {
    wrong_value("decay is linear or gaussian, got '" + decay + "'");
  }
  how.decay = decay == "linear" ? edge::Decay::linear : edge::Decay::gaussian;
  if (!(std::isfinite(sigma) && sigma > 0)) {
    wrong_value("sigma is above 0, got " + std::to_string(sigma));
  }
  require_share(iou_threshold, "iou_threshold");
  if (std::isnan(score_threshold)) wrong_value("score_threshold is a number, got nan");
  how.sigma = sigma;
  how.iou_threshold = iou_threshold;
  how.score_threshold = score_threshold;
  how.class_agnostic = class_agnostic;
  how.max_detections = count_or_all(max_detections, "max_detections");
  how.top_k = count_or_all(top_k, "top_k");
  edge::Softened out;
  {
    py::gil_scoped_release release;
    const auto run = matrix ? edge::matrix_nms : edge::soft_nms;
    out = run(found.boxes, found.scores, found.class_ids, how);
  }
  const auto n = static_cast<py::ssize_t>(out.indices.size());
  return py::make_tuple(py::array_t<std::int32_t>(n, out.indices.data()),
                        py::array_t<float>(n, out.scores.data()));
}

Columns merge(const py::handle& boxes, const py::handle& scores, const py::handle& class_ids,
              float iou_threshold, std::optional<std::int64_t> max_detections,
              std::optional<std::int64_t> top_k, bool class_agnostic) {
  const Found found = found_of(boxes, scores, class_ids);
  const auto how = suppression_of(iou_threshold, max_detections, top_k, class_agnostic);
  return decoded([&](edge::Candidates& out) {
    out = edge::merge(found.boxes, found.scores, found.class_ids, how);
  });
}

edge::Span<const float> values_of(const py::handle& value) {
  const py::array array = array_of(value, "values");
  require_dtype<float>(array, "values");
  if (!(array.flags() & (py::array::c_style | py::array::f_style))) {
    wrong_type("values is contiguous, got strides " + text(array.attr("strides")));
  }
  require_aligned(array, "values");
  return {static_cast<const float*>(array.data()), static_cast<std::size_t>(array.size())};
}

edge::Span<std::int64_t> counts_of(const py::handle& value) {
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
  const edge::Target chosen = target_of(target);
  py::gil_scoped_release release;
  const edge::Range range = edge::value_range(span, chosen);
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
  if (bins.size() != edge::kMagnitudes) {
    wrong_value("counts has shape (" + std::to_string(edge::kMagnitudes) + ",), got (" +
                std::to_string(bins.size()) + ",)");
  }
  py::gil_scoped_release release;
  edge::add_magnitudes(span, bins);
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
  m.def("decode_boxes", &decode_boxes);
  m.def("decode_distances", &decode_distances);
  m.def("decode_centres", &decode_centres);
  m.def("decode_anchors", &decode_anchors);
  m.def("decode_peaks", &decode_peaks);
  m.def("decode_final", &decode_final);
  m.def("nms", &nms);
  m.def("soften", &soften);
  m.def("merge", &merge);
  m.def("value_range", &value_range);
  m.def("add_histogram", &add_histogram);
  m.def("add_magnitudes", &add_magnitudes);
  m.def("targets", &targets);
  m.def("target", [] { return std::string(edge::name(edge::best_target())); });
}
