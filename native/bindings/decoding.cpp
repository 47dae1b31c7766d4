#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "arrays.h"
#include "columns.h"
#include "edge/decode_boxes.h"
#include "edge/decode_centers.h"
#include "edge/decode_distances.h"
#include "edge/decode_peaks.h"
#include "module.h"

namespace edge::bindings {
namespace {

Scoring scoring_of(float score_threshold, bool multi_label, bool logits) {
  if (std::isnan(score_threshold)) throw_value_error("score_threshold must be a number, got nan");
  Scoring scoring;
  scoring.threshold = score_threshold;
  scoring.multi_label = multi_label;
  scoring.activation = logits ? Activation::sigmoid : Activation::none;
  return scoring;
}

// Splits x, y, w, h, [objectness,] classes.
Head head_of(const TensorView& table, bool objectness, const std::string& what,
             const std::string& channels) {
  const std::size_t first = objectness ? 5 : 4;
  if (table.channels <= first) {
    throw_value_error(what + " must have " + std::to_string(first) + " " + channels +
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
    throw_value_error("a stride must be above 0, got " + std::to_string(stride));
  }
  return stride;
}

void require_as_many(const py::sequence& heads, std::size_t count, const char* what) {
  if (heads.size() != count) {
    throw_value_error(std::string("there must be one ") + what + " per head, got " +
                      std::to_string(count) + " for " + std::to_string(heads.size()) + " heads");
  }
}

py::object decode_rows(const py::handle& rows, bool objectness, float score_threshold,
                       bool multi_label, bool corners, const std::optional<std::string>& target) {
  const Head head = head_of(rows_of(rows, "rows"), objectness, "rows", "columns");
  const Scoring scoring = scoring_of(score_threshold, multi_label, false);
  BoxForm form;
  form.corners = corners;
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) { edge::decode_boxes(head, form, scoring, out, chosen); });
}

void set_scale(BoxForm& form, std::array<float, 2> scale) {
  for (const float value : scale) {
    if (!std::isfinite(value))
      throw_value_error("scale must be finite, got " + std::to_string(value));
  }
  form.scale_x = scale[0];
  form.scale_y = scale[1];
}

TensorView four_columns(const py::handle& boxes, std::size_t points) {
  const TensorView table = rows_of(boxes, "boxes");
  if (table.channels != 4 || table.points != points) {
    throw_value_error("boxes must have shape (" + std::to_string(points) + ", 4), got (" +
                      std::to_string(table.points) + ", " + std::to_string(table.channels) + ")");
  }
  return table;
}

py::object decode_boxes(const py::handle& scores, const py::handle& boxes, float score_threshold,
                        bool multi_label, const std::string& activation,
                        const std::optional<std::string>& background, bool corners,
                        std::array<float, 2> scale, const py::object& priors,
                        std::array<float, 2> variances, std::optional<std::int64_t> limit,
                        const std::optional<std::string>& target) {
  Scoring scoring = scoring_of(score_threshold, multi_label, activation == "sigmoid");
  if (activation == "softmax") {
    scoring.activation = Activation::softmax;
  } else if (activation != "none" && activation != "sigmoid") {
    throw_value_error("activation must be none, sigmoid or softmax, got '" + activation + "'");
  }
  Head head;
  head.scores = rows_of(scores, "scores");
  if (background) {
    const bool first = *background == "first";
    if (!first && *background != "last") {
      throw_value_error("background must be first or last, got '" + *background + "'");
    }
    if (head.scores.channels < 1) throw_value_error("scores must have a column for the background");
    const std::size_t count = head.scores.channels - 1;
    head.background = head.scores.slice(first ? 0 : count, 1);
    head.scores = head.scores.slice(first ? 1 : 0, count);
  }
  if (head.scores.channels == 0) throw_value_error("scores must have a class");
  head.boxes = four_columns(boxes, head.scores.points);
  BoxForm form;
  form.corners = corners;
  set_scale(form, scale);
  if (!priors.is_none()) {
    const py::array array = array_of(priors, "priors");
    require_dtype<float>(array, "priors");
    if (array.ndim() != 2 || array.shape(1) != 4 ||
        static_cast<std::size_t>(array.shape(0)) != head.scores.points) {
      throw_value_error("priors must have shape (" + std::to_string(head.scores.points) +
                        ", 4), got " + shape_of(array));
    }
    if (!(array.flags() & py::array::c_style))
      throw_type_error("priors must be contiguous, got strides " + text(array.attr("strides")));
    require_aligned(array, "priors");
    form.priors = static_cast<const float*>(array.data());
    form.center_variance = variances[0];
    form.size_variance = variances[1];
  }
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) { edge::decode_boxes(head, form, scoring, out, chosen); },
                 limit);
}

// The i-th of some tensors that belong to the heads.
TensorView beside(const py::object& tensors, std::size_t i, const char* name, std::size_t channels,
                  const Grid& grid) {
  const std::string what = std::string(name) + " " + std::to_string(i);
  const Grid other = grid_of(tensors[py::int_(i)], what);
  if (other.table.channels != channels || other.width != grid.width ||
      other.table.points != grid.table.points) {
    throw_value_error(what + " must have " + std::to_string(channels) +
                      " channels and the grid of head " + std::to_string(i));
  }
  return other.table;
}

// The same of one channel that multiplies the scores, which are a head's.
TensorView quality_beside(const py::object& tensors, std::size_t i, const char* name,
                          const Grid& grid) {
  const TensorView quality = beside(tensors, i, name, 1, grid);
  if (quality.type != grid.table.type) {
    throw_type_error(std::string(name) + " " + std::to_string(i) +
                     " must have the dtype of its head");
  }
  return quality;
}

py::object decode_distances(const py::sequence& heads, const std::vector<float>& strides,
                            float score_threshold, bool multi_label, bool logits, int bins,
                            float offset, const py::object& boxes, const py::object& centerness,
                            bool sqrt, bool in_pixels, const std::optional<std::string>& target) {
  if (bins < 1 || bins > 1024)
    throw_value_error("bins must be 1 to 1024, got " + std::to_string(bins));
  require_as_many(heads, strides.size(), "stride");
  if (!boxes.is_none()) require_as_many(heads, py::len(boxes), "tensor of boxes");
  if (!centerness.is_none()) require_as_many(heads, py::len(centerness), "centerness");
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
        throw_value_error(what + " must have one channel per class and " + std::to_string(sides) +
                          " for the box, got " + std::to_string(grid.table.channels));
      }
      level.scores = grid.table.slice(0, grid.table.channels - sides);
      level.boxes = grid.table.slice(grid.table.channels - sides, sides);
    }
    if (level.scores.channels == 0) throw_value_error(what + " must have a class");
    if (!centerness.is_none()) {
      level.objectness = quality_beside(centerness, i, "centerness", grid);
    }
    levels.push_back(level);
  }
  Scoring scoring = scoring_of(score_threshold, multi_label, logits);
  scoring.sqrt = sqrt && !centerness.is_none();
  const Distances distances{static_cast<std::size_t>(bins), offset, in_pixels};
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) {
    edge::decode_distances({levels.data(), levels.size()}, distances, scoring, out, chosen);
  });
}

py::object decode_centers(const py::sequence& heads, const std::vector<float>& strides,
                          float score_threshold, bool multi_label, bool logits,
                          const py::object& boxes, const py::object& objectness,
                          const std::optional<std::string>& target) {
  require_as_many(heads, strides.size(), "stride");
  if (boxes.is_none() != objectness.is_none()) {
    throw_value_error("boxes and objectness must come together");
  }
  if (!boxes.is_none()) {
    require_as_many(heads, py::len(boxes), "tensor of boxes");
    require_as_many(heads, py::len(objectness), "tensor of objectness");
  }
  std::vector<Head> levels;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const Grid grid = grid_of(heads[i], "head " + std::to_string(i));
    Head level;
    if (boxes.is_none()) {
      level = head_of(grid.table, true, "heads", "channels");
    } else {
      level.scores = grid.table;
      if (level.scores.channels == 0) {
        throw_value_error("head " + std::to_string(i) + " must have a class");
      }
      level.boxes = beside(boxes, i, "boxes", 4, grid);
      level.objectness = quality_beside(objectness, i, "objectness", grid);
    }
    level.width = grid.width;
    level.stride = stride_above_zero(strides[i]);
    levels.push_back(level);
  }
  const Scoring scoring = scoring_of(score_threshold, multi_label, logits);
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) {
    edge::decode_centers({levels.data(), levels.size()}, scoring, out, chosen);
  });
}

py::object decode_anchors(const py::sequence& heads,
                          const std::vector<std::vector<std::array<float, 2>>>& anchors,
                          const std::vector<float>& strides, float score_threshold,
                          bool multi_label, bool logits, bool objectness,
                          const std::optional<std::vector<float>>& spreads, bool exponential,
                          const std::optional<std::string>& target) {
  require_as_many(heads, strides.size(), "stride");
  require_as_many(heads, anchors.size(), "list of anchors");
  if (spreads) require_as_many(heads, spreads->size(), "spread");
  std::vector<Head> levels;
  std::vector<Anchor> sizes;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const std::string what = "head " + std::to_string(i);
    const std::size_t count = anchors[i].size();
    TensorView table;
    const py::array values = values_of(heads[i], what, table);
    const bool apart = values.ndim() == 4 && static_cast<std::size_t>(values.shape(0)) == count;
    const bool together =
        values.ndim() == 3 && count > 0 && static_cast<std::size_t>(values.shape(0)) % count == 0;
    if (!apart && !together) {
      throw_value_error(what + " must have shape (" + std::to_string(count) +
                        ", channels, H, W) or (" + std::to_string(count) +
                        " * channels, H, W), got " + shape_of(values));
    }
    const Grid grid = grid_of(values, table, what);
    const std::size_t channels = grid.table.channels / (apart ? 1 : count);
    const std::ptrdiff_t step =
        apart ? stride_of(values, 0, what)
              : static_cast<std::ptrdiff_t>(channels) * grid.table.channel_stride;
    for (std::size_t a = 0; a < count; ++a) {
      TensorView one = grid.table;
      one.data = static_cast<const char*>(one.data) +
                 static_cast<std::ptrdiff_t>(a) * step * values.itemsize();
      one.channels = channels;
      levels.push_back(head_of(one, objectness, "heads", "channels per anchor"));
      levels.back().width = grid.width;
      levels.back().stride = stride_above_zero(strides[i]);
      sizes.push_back({anchors[i][a][0], anchors[i][a][1], spreads ? (*spreads)[i] : 2.0f});
    }
  }
  const Scoring scoring = scoring_of(score_threshold, multi_label, logits);
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) {
    edge::decode_anchors({levels.data(), levels.size()}, {sizes.data(), sizes.size()},
                         AnchorForm{exponential}, scoring, out, chosen);
  });
}

py::object decode_peaks(const py::handle& heat, const py::handle& sizes, const py::object& offsets,
                        float stride, float score_threshold, bool logits,
                        std::optional<std::int64_t> limit,
                        const std::optional<std::string>& target) {
  const Grid grid = grid_of(heat, "heat");
  const auto two = [&](const py::handle& tensor, const std::string& what) {
    const Grid other = grid_of(tensor, what);
    if (other.table.channels != 2 || other.width != grid.width ||
        other.table.points != grid.table.points) {
      throw_value_error(what + " must have two channels and the grid of heat");
    }
    return other.table;
  };
  Head head;
  head.scores = grid.table;
  head.boxes = two(sizes, "sizes");
  head.width = grid.width;
  head.stride = stride_above_zero(stride);
  const TensorView placed = offsets.is_none() ? TensorView{} : two(offsets, "offsets");
  const Scoring scoring = scoring_of(score_threshold, false, logits);
  const Target chosen = target_of(target);
  return decoded([&](Candidates& out) { edge::decode_peaks(head, placed, scoring, out, chosen); },
                 limit);
}

// A class id that may be written as any number; -1 where it is none.
template <class T>
std::int32_t class_id_at(const py::array& ids, py::ssize_t i) {
  const T value = *static_cast<const T*>(ids.data(i));
  if (!(value >= 0 && static_cast<double>(value) <= 2147483647.0)) return -1;
  return static_cast<std::int32_t>(value);
}

py::object decode_end2end(const py::handle& boxes, const py::handle& scores, const py::handle& ids,
                          float score_threshold, bool corners, std::array<float, 2> scale) {
  Head head;
  const py::array score_values = values_of(scores, "scores", head.scores);
  if (score_values.ndim() != 1)
    throw_value_error("scores must have shape (N,), got " + shape_of(score_values));
  head.scores.channels = 1;
  head.scores.points = static_cast<std::size_t>(score_values.shape(0));
  head.scores.point_stride = stride_of(score_values, 0, "scores");
  require_countable(1, head.scores.points, "scores");
  head.boxes = four_columns(boxes, head.scores.points);
  const py::array numbers = array_of(ids, "class_ids");
  if (numbers.ndim() != 1 || numbers.shape(0) != score_values.shape(0)) {
    throw_value_error("class_ids must have shape (" + std::to_string(head.scores.points) +
                      ",), got " + shape_of(numbers));
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
      throw_type_error("class_ids must be float32, int32 or int64, got " + text(numbers.dtype()));
    }
  }
  BoxForm form;
  form.corners = corners;
  set_scale(form, scale);
  const Scoring scoring = scoring_of(score_threshold, false, false);
  return decoded([&](Candidates& out) {
    edge::decode_end2end(head, {class_ids.data(), class_ids.size()}, form, scoring, out);
  });
}

}  // namespace

void bind_decoding(py::module_& m) {
  using namespace py::literals;
  const py::kw_only by_name;

  m.def("decode_rows", &decode_rows, "rows"_a, by_name, "objectness"_a, "score_threshold"_a,
        "multi_label"_a = false, "corners"_a = false, "target"_a = py::none(),
        R"(The candidates of a table of boxes, one per row.

Args:
    rows: (N, 5 + C) with objectness, else (N, 4 + C); any strides, so the transpose of a planar
        (4 + C, N) output will do. A box is center x, center y, width, height in pixels of the
        input; then objectness; then class scores, all probabilities.
    objectness: Whether column 4 is one. Then the score is objectness times class score, and the
        objectness itself must be above the threshold too.
    score_threshold: A candidate's score is greater than this.
    multi_label: Every class above the threshold, not only the best (the lowest of equals).
    corners: A box is x1, y1, x2, y2 instead.
    target: SIMD target.

Returns:
    In the order of rows, then classes.
)");

  m.def("decode_boxes", &decode_boxes, "scores"_a, "boxes"_a, by_name, "score_threshold"_a,
        "multi_label"_a = false, "activation"_a = "none", "background"_a = py::none(),
        "corners"_a = false, "scale"_a = std::array<float, 2>{1, 1}, "priors"_a = py::none(),
        "variances"_a = std::array<float, 2>{0.1f, 0.2f}, "limit"_a = py::none(),
        "target"_a = py::none(),
        R"(The candidates of boxes and scores that are tensors of their own, on no grid.

Args:
    scores: (N, C), any strides.
    boxes: (N, 4), any strides: center x, center y, width, height.
    score_threshold: A candidate's score is greater than this.
    multi_label: Every class above the threshold, not only the best (the lowest of equals).
    activation: From what `scores` holds to a score: "none", "sigmoid" or "softmax".
    background: Which column of `scores`, "first" or "last", takes part in the softmax but is no
        class. Class ids count the others from 0.
    corners: A box is x1, y1, x2, y2 instead.
    scale: Input pixels per unit of the boxes, horizontally and vertically; the size of the input
        when they are relative to it.
    priors: (N, 4) contiguous float32 center x, center y, width, height, in the unit of `scale`,
        which the boxes are offsets from (SSD).
    variances: Of the offsets of center and size; with `priors` only.
    limit: Only so many of the best, best first; for networks that need no suppression.
    target: SIMD target.

Source: Carion et al. 2020, arXiv:2005.12872; Liu et al. 2016, arXiv:1512.02325, eq. 2.
)");

  m.def("decode_distances", &decode_distances, "heads"_a, by_name, "strides"_a, "score_threshold"_a,
        "multi_label"_a = false, "logits"_a = false, "bins"_a = 1, "offset"_a = 0.5f,
        "boxes"_a = py::none(), "centerness"_a = py::none(), "sqrt"_a = false,
        "in_pixels"_a = false, "target"_a = py::none(),
        R"(The candidates of anchor-free heads: boxes as distances from each cell's point.

Args:
    heads: One (C + 4 * bins, H, W) per level: class scores, then distances left, top, right,
        bottom in cells.
    strides: Pixels per cell, one per level.
    score_threshold: A candidate's score is greater than this.
    multi_label: Every class above the threshold, not only the best (the lowest of equals).
    logits: Class scores are logits; otherwise probabilities.
    bins: Above 1, a distance is the mean of a softmax over so many channels (distribution focal
        loss), all of one side together.
    offset: Of a cell's point from its corner, in cells.
    boxes: The distances, (4 * bins, H, W) per level, when they are tensors of their own; `heads`
        then holds the class scores alone.
    centerness: (1, H, W) per level, of the dtype of the class scores, which it multiplies. It must
        itself be above the threshold too (its square, with `sqrt`).
    sqrt: The score is the square root of that product.
    in_pixels: Distances are in pixels of the input.
    target: SIMD target.

Source: Tian et al. 2019, arXiv:1904.01355, eq. 1; Li et al. 2020, arXiv:2006.04388, eq. 5.
)");

  m.def("decode_centers", &decode_centers, "heads"_a, by_name, "strides"_a, "score_threshold"_a,
        "multi_label"_a = false, "logits"_a = false, "boxes"_a = py::none(),
        "objectness"_a = py::none(), "target"_a = py::none(),
        R"(The candidates of anchor-free heads: a center in each cell and the logarithm of a size.

Args:
    heads: One (5 + C, H, W) per level: x and y of the center from the cell's corner and the
        logarithms of width and height, in cells; then objectness; then class scores.
    strides: Pixels per cell, one per level.
    score_threshold: A candidate's score is greater than this.
    multi_label: Every class above the threshold, not only the best (the lowest of equals).
    logits: Objectness and class scores are logits; otherwise probabilities.
    boxes: Centers and sizes, (4, H, W) per level, when they are tensors of their own; `heads` then
        holds the class scores alone.
    objectness: With `boxes`: (1, H, W) per level, of the dtype of the class scores.
    target: SIMD target.

Source: Ge et al. 2021, arXiv:2107.08430.
)");

  m.def("decode_anchors", &decode_anchors, "heads"_a, by_name, "anchors"_a, "strides"_a,
        "score_threshold"_a, "multi_label"_a = false, "logits"_a = true, "objectness"_a = true,
        "spreads"_a = py::none(), "exponential"_a = false, "target"_a = py::none(),
        R"(The candidates of heads with anchors: of YOLOv5 and YOLOv7, or of YOLOv3 and YOLOv4.

Args:
    heads: One per level, (A * (5 + C), H, W) or (A, 5 + C, H, W), all of an anchor together: x, y,
        width, height, objectness, class scores. The transpose of (A, H, W, 5 + C) will do as well.
    anchors: Per level A pairs of width and height in pixels.
    strides: Pixels per cell, one per level.
    score_threshold: A candidate's score is greater than this.
    multi_label: Every class above the threshold, not only the best (the lowest of equals).
    logits: The sigmoid of all channels is still to be taken.
    objectness: Whether there is one (else 4 + C channels); as in `decode_rows`.
    spreads: Per level, over how many cells a center may lie: 2 as in YOLOv5, 1 as in YOLOv3.
        None for 2.
    exponential: Sizes are e^(w, h) times the anchor, as in YOLOv3, else (2 (w, h))^2 times.
    target: SIMD target.

Returns:
    In the order of levels, anchors, cells, classes.

Source: Wang et al. 2021, arXiv:2011.08036; Redmon and Farhadi 2018, arXiv:1804.02767.
)");

  m.def("decode_peaks", &decode_peaks, "heat"_a, "sizes"_a, "offsets"_a = py::none(), by_name,
        "stride"_a, "score_threshold"_a, "logits"_a = false, "limit"_a = 100,
        "target"_a = py::none(),
        R"(The candidates of a heat map: cells that none of their eight neighbors exceeds.

Args:
    heat: (C, H, W) scores.
    sizes: (2, H, W) width and height, in cells.
    offsets: (2, H, W) x and y of the center from the cell's corner; None for its middle.
    stride: Pixels per cell.
    score_threshold: A candidate's score is greater than this.
    logits: `heat` holds logits.
    limit: Only so many of the best; None for all.
    target: SIMD target.

Returns:
    Best first; without `limit`, in the order of classes, cells.

Source: Zhou et al. 2019, arXiv:1904.07850, sec. 4.
)");

  m.def("decode_end2end", &decode_end2end, "boxes"_a, "scores"_a, "class_ids"_a, by_name,
        "score_threshold"_a, "corners"_a = true, "scale"_a = std::array<float, 2>{1, 1},
        R"(The candidates of a network that suppresses by itself: padding and weak ones removed.

Args:
    boxes: (N, 4), any strides.
    scores: (N,), any stride.
    class_ids: (N,) float32, int32 or int64, any stride; rows below 0 are padding.
    score_threshold: A candidate's score is greater than this.
    corners: A box is x1, y1, x2, y2; otherwise center x, center y, width, height.
    scale: Input pixels per unit of the boxes, horizontally and vertically.
)");
}

}  // namespace edge::bindings
