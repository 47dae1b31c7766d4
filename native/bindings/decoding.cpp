#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "arrays.h"
#include "columns.h"
#include "edge/decode_boxes.h"
#include "edge/decode_centres.h"
#include "edge/decode_distances.h"
#include "edge/decode_peaks.h"
#include "module.h"

namespace edge::bindings {
namespace {

Scoring scoring_of(float threshold, bool multi_label, bool logits) {
  if (std::isnan(threshold)) wrong_value("score_threshold is a number, got nan");
  Scoring scoring;
  scoring.threshold = threshold;
  scoring.multi_label = multi_label;
  scoring.activation = logits ? Activation::sigmoid : Activation::none;
  return scoring;
}

// Splits x, y, w, h, [objectness,] classes.
Head head_of(const Table& table, bool objectness, const std::string& what,
             const std::string& channels) {
  const std::size_t first = objectness ? 5 : 4;
  if (table.channels <= first) {
    wrong_value(what + " have " + std::to_string(first) + " " + channels +
                " and one per class, got " + std::to_string(table.channels));
  }
  Head head;
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
  const Head head = head_of(rows_of(rows, "rows"), objectness, "rows", "columns");
  const Scoring scoring = scoring_of(threshold, multi_label, false);
  BoxForm form;
  form.corners = corners;
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) { edge::decode_boxes(head, form, scoring, out, chosen); });
}

void set_scale(BoxForm& form, std::array<float, 2> scale) {
  for (const float value : scale) {
    if (!std::isfinite(value)) wrong_value("scale is finite, got " + std::to_string(value));
  }
  form.scale_x = scale[0];
  form.scale_y = scale[1];
}

Table four_columns(const py::handle& boxes, std::size_t points) {
  const Table table = rows_of(boxes, "boxes");
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
  Scoring scoring = scoring_of(threshold, multi_label, activation == "sigmoid");
  if (activation == "softmax") {
    scoring.activation = Activation::softmax;
  } else if (activation != "none" && activation != "sigmoid") {
    wrong_value("activation is none, sigmoid or softmax, got '" + activation + "'");
  }
  Head head;
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
  BoxForm form;
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
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) { edge::decode_boxes(head, form, scoring, out, chosen); },
                 most);
}

// The i-th of some tensors that belong to the heads.
Table beside(const py::object& tensors, std::size_t i, const char* name, std::size_t channels,
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

// The same of one channel that multiplies the scores, which are a head's.
Table quality_beside(const py::object& tensors, std::size_t i, const char* name, const Grid& grid) {
  const Table quality = beside(tensors, i, name, 1, grid);
  if (quality.type != grid.table.type) {
    wrong_type(std::string(name) + " " + std::to_string(i) + " has the dtype of its head");
  }
  return quality;
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
  std::vector<Head> levels;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const std::string what = "head " + std::to_string(i);
    const Grid grid = grid_of(heads[i], what);
    Head level;
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
      level.objectness = quality_beside(centreness, i, "centreness", grid);
    }
    levels.push_back(level);
  }
  Scoring scoring = scoring_of(threshold, multi_label, logits);
  scoring.root = root && !centreness.is_none();
  const Distances distances{static_cast<std::size_t>(bins), offset, in_pixels};
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) {
    edge::decode_distances({levels.data(), levels.size()}, distances, scoring, out, chosen);
  });
}

Columns decode_centres(const py::sequence& heads, const py::object& boxes,
                       const py::object& objects, const std::vector<float>& strides,
                       float threshold, bool multi_label, bool logits, bool objectness,
                       const std::optional<std::string>& target) {
  require_as_many(heads, strides.size(), "stride");
  if (boxes.is_none() != objects.is_none()) wrong_value("boxes and objects come together");
  if (!boxes.is_none()) {
    require_as_many(heads, py::len(boxes), "tensor of boxes");
    require_as_many(heads, py::len(objects), "tensor of objects");
  }
  std::vector<Head> levels;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const Grid grid = grid_of(heads[i], "head " + std::to_string(i));
    Head level;
    if (boxes.is_none()) {
      level = head_of(grid.table, objectness, "heads", "channels");
    } else {
      level.scores = grid.table;
      if (level.scores.channels == 0) wrong_value("head " + std::to_string(i) + " has no class");
      level.boxes = beside(boxes, i, "boxes", 4, grid);
      level.objectness = quality_beside(objects, i, "objects", grid);
    }
    level.width = grid.width;
    level.stride = stride_above_zero(strides[i]);
    levels.push_back(level);
  }
  const Scoring scoring = scoring_of(threshold, multi_label, logits);
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) {
    edge::decode_centres({levels.data(), levels.size()}, scoring, out, chosen);
  });
}

Columns decode_anchors(const py::sequence& heads,
                       const std::vector<std::vector<std::array<float, 2>>>& anchors,
                       const std::vector<float>& strides, float threshold, bool multi_label,
                       bool logits, bool objectness, const std::optional<std::string>& target) {
  require_as_many(heads, strides.size(), "stride");
  require_as_many(heads, anchors.size(), "list of anchors");
  std::vector<Head> levels;
  std::vector<Anchor> sizes;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const std::string what = "head " + std::to_string(i);
    const std::size_t count = anchors[i].size();
    Table table;
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
      Table one = grid.table;
      one.data = static_cast<const char*>(one.data) +
                 static_cast<std::ptrdiff_t>(a) * step * values.itemsize();
      one.channels = channels;
      levels.push_back(head_of(one, objectness, "heads", "channels per anchor"));
      levels.back().width = grid.width;
      levels.back().stride = stride_above_zero(strides[i]);
      sizes.push_back({anchors[i][a][0], anchors[i][a][1]});
    }
  }
  const Scoring scoring = scoring_of(threshold, multi_label, logits);
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) {
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
  Head head;
  head.scores = grid.table;
  head.boxes = two(sizes, "sizes");
  head.width = grid.width;
  head.stride = stride_above_zero(stride);
  const Table placed = offsets.is_none() ? Table{} : two(offsets, "offsets");
  const Scoring scoring = scoring_of(threshold, false, logits);
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) { edge::decode_peaks(head, placed, scoring, out, chosen); },
                 most);
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
  Head head;
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
  BoxForm form;
  form.corners = corners;
  set_scale(form, scale);
  const Scoring scoring = scoring_of(threshold, false, false);
  return decoded([&](Candidates& out) {
    edge::decode_final(head, {class_ids.data(), class_ids.size()}, form, scoring, out);
  });
}

}  // namespace

void bind_decoding(py::module_& m) {
  m.def("decode_rows", &decode_rows);
  m.def("decode_boxes", &decode_boxes);
  m.def("decode_distances", &decode_distances);
  m.def("decode_centres", &decode_centres);
  m.def("decode_anchors", &decode_anchors);
  m.def("decode_peaks", &decode_peaks);
  m.def("decode_final", &decode_final);
}

}  // namespace edge::bindings
