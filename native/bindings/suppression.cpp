#include <string>

#include "arrays.h"
#include "columns.h"
#include "edge/merge.h"
#include "edge/nms.h"
#include "edge/soft_nms.h"
#include "module.h"

namespace edge::bindings {
namespace {

template <class T>
Column<T> column_of(const py::handle& value, const std::string& what, py::ssize_t size) {
  const py::array array = array_of(value, what);
  require_dtype<T>(array, what);
  if (array.ndim() != 1 || array.shape(0) != size) {
    wrong_value(what + " has shape (" + std::to_string(size) + ",), got " + shape_of(array));
  }
  require_aligned(array, what);
  return {static_cast<const T*>(array.data()), stride_of(array, 0, what),
          static_cast<std::size_t>(size)};
}

BoxList boxes_of(const py::handle& value) {
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
  BoxList boxes;
  Column<float> scores;
  Column<std::int32_t> class_ids;
};

Found found_of(const py::handle& boxes, const py::handle& scores, const py::handle& class_ids) {
  const BoxList list = boxes_of(boxes);
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

Suppression suppression_of(float iou_threshold, std::optional<std::int64_t> max_detections,
                           std::optional<std::int64_t> top_k, bool class_agnostic) {
  require_share(iou_threshold, "iou_threshold");
  Suppression how;
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
  const Target chosen = target_of(target);
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
  Softness how;
  if (decay != "linear" && decay != "gaussian") {
    wrong_value("decay is linear or gaussian, got '" + decay + "'");
  }
  how.decay = decay == "linear" ? Decay::linear : Decay::gaussian;
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
  Softened out;
  {
    py::gil_scoped_release release;
    const auto run = matrix ? matrix_nms : soft_nms;
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
  return decoded(
      [&](Candidates& out) { out = edge::merge(found.boxes, found.scores, found.class_ids, how); });
}

}  // namespace

void bind_suppression(py::module_& m) {
  m.def("nms", &nms);
  m.def("soften", &soften);
  m.def("merge", &merge);
}

}  // namespace edge::bindings
