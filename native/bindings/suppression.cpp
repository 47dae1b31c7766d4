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
    throw_value_error(what + " must have shape (" + std::to_string(size) + ",), got " +
                      shape_of(array));
  }
  require_aligned(array, what);
  return {static_cast<const T*>(array.data()), stride_of(array, 0, what),
          static_cast<std::size_t>(size)};
}

BoxList boxes_of(const py::handle& value) {
  const py::array array = array_of(value, "boxes");
  require_dtype<float>(array, "boxes");
  if (array.ndim() != 2 || array.shape(1) != 4) {
    throw_value_error("boxes must have shape (N, 4), got " + shape_of(array));
  }
  if (array.shape(0) > 0 && array.strides(1) != 4) {
    throw_type_error("boxes must have contiguous rows, got strides " + text(array.attr("strides")));
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
    throw_value_error(std::string(what) + " must be 0 to 1, got " + std::to_string(value));
  }
}

std::size_t count_or_all(std::optional<std::int64_t> count, const char* what) {
  if (!count) return static_cast<std::size_t>(-1);
  if (*count < 0) {
    throw_value_error(std::string(what) + " must not be negative, got " + std::to_string(*count));
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
              std::optional<std::int64_t> top_k, bool class_agnostic,
              const std::optional<std::string>& target) {
  const Found found = found_of(boxes, scores, class_ids);
  const auto how = suppression_of(iou_threshold, max_detections, top_k, class_agnostic);
  const Target chosen = target_of(target);
  std::vector<std::int32_t> kept;
  {
    py::gil_scoped_release release;
    kept = edge::nms(found.boxes, found.scores, found.class_ids, how, chosen);
  }
  return py::array_t<std::int32_t>(static_cast<py::ssize_t>(kept.size()), kept.data());
}

py::tuple soft_nms(const py::handle& boxes, const py::handle& scores, const py::handle& class_ids,
                   const std::string& decay, float sigma, float iou_threshold,
                   float score_threshold, std::optional<std::int64_t> max_detections,
                   std::optional<std::int64_t> top_k, bool class_agnostic) {
  const Found found = found_of(boxes, scores, class_ids);
  Softness how;
  if (decay != "linear" && decay != "gaussian") {
    throw_value_error("decay must be linear or gaussian, got '" + decay + "'");
  }
  how.decay = decay == "linear" ? Decay::linear : Decay::gaussian;
  if (!(std::isfinite(sigma) && sigma > 0)) {
    throw_value_error("sigma must be above 0, got " + std::to_string(sigma));
  }
  require_share(iou_threshold, "iou_threshold");
  if (std::isnan(score_threshold)) throw_value_error("score_threshold must be a number, got nan");
  how.sigma = sigma;
  how.iou_threshold = iou_threshold;
  how.score_threshold = score_threshold;
  how.class_agnostic = class_agnostic;
  how.max_detections = count_or_all(max_detections, "max_detections");
  how.top_k = count_or_all(top_k, "top_k");
  Softened out;
  {
    py::gil_scoped_release release;
    out = edge::soft_nms(found.boxes, found.scores, found.class_ids, how);
  }
  const auto n = static_cast<py::ssize_t>(out.indices.size());
  return py::make_tuple(py::array_t<std::int32_t>(n, out.indices.data()),
                        py::array_t<float>(n, out.scores.data()));
}

py::object merge(const py::handle& boxes, const py::handle& scores, const py::handle& class_ids,
                 float iou_threshold, std::optional<std::int64_t> max_detections,
                 std::optional<std::int64_t> top_k, bool class_agnostic) {
  const Found found = found_of(boxes, scores, class_ids);
  const auto how = suppression_of(iou_threshold, max_detections, top_k, class_agnostic);
  return decoded(
      [&](Candidates& out) { out = edge::merge(found.boxes, found.scores, found.class_ids, how); });
}

}  // namespace

void bind_suppression(py::module_& m) {
  using namespace py::literals;
  const py::kw_only by_name;

  m.def("nms", &nms, "boxes"_a, "scores"_a, "class_ids"_a, by_name, "iou_threshold"_a = 0.45f,
        "max_detections"_a = py::none(), "top_k"_a = py::none(), "class_agnostic"_a = false,
        "target"_a = py::none(),
        R"(Greedy non-maximum suppression, class by class.

Args:
    boxes: (N, 4) float32 corners, rows contiguous, any row stride. Those without area, or with
        corners the wrong way round, overlap nothing; those that are not finite are dropped.
    scores: (N,) float32, any stride; those that are not finite are dropped.
    class_ids: (N,) int32, any stride. Boxes of different classes never suppress each other.
    iou_threshold: A box is dropped when its overlap with a better one is greater.
    max_detections: At most this many are returned; None for no limit.
    top_k: Only so many of the best are looked at; None for all.
    class_agnostic: Classes do not matter.
    target: SIMD target.

Returns:
    (K,) int32 indices into `boxes`, best score first, the lower index first among equals.
)");

  m.def("soft_nms", &soft_nms, "boxes"_a, "scores"_a, "class_ids"_a, by_name,
        "decay"_a = "gaussian", "sigma"_a = 0.5f, "iou_threshold"_a = 0.3f,
        "score_threshold"_a = 0.001f, "max_detections"_a = py::none(), "top_k"_a = py::none(),
        "class_agnostic"_a = false,
        R"(Suppression that lowers the scores of overlapped boxes instead of dropping them.

Args:
    boxes: As in `nms`, like scores, class ids, and what is not described here.
    scores: See `nms`.
    class_ids: Boxes of different classes never weaken each other.
    decay: "linear": times 1 - IoU where IoU is above the threshold. "gaussian": times
        e^(-IoU^2 / sigma).
    sigma: Of the gaussian.
    iou_threshold: Of the linear decay.
    score_threshold: A box is dropped unless its lowered score is greater.
    max_detections: See `nms`.
    top_k: See `nms`.
    class_agnostic: See `nms`.

Returns:
    (K,) int32 indices into `boxes` and (K,) float32 lowered scores, best first.

Source: Bodla et al. 2017, arXiv:1704.04503.
)");

  m.def("merge", &merge, "boxes"_a, "scores"_a, "class_ids"_a, by_name, "iou_threshold"_a = 0.55f,
        "max_detections"_a = py::none(), "top_k"_a = py::none(), "class_agnostic"_a = false,
        R"(Overlapping boxes become their mean, weighted by score (weighted boxes fusion).

Args:
    boxes: As in `nms`, like what is not described here.
    scores: See `nms`; those of 0 or less are dropped.
    class_ids: Boxes of different classes are never merged.
    iou_threshold: A box joins the cluster whose mean it overlaps most, if by more than this.
    max_detections: See `nms`.
    top_k: See `nms`.
    class_agnostic: Classes do not matter; a cluster has that of its best box.

Returns:
    One box per cluster with the mean of its scores, best first.

Source: Solovyev et al. 2021, arXiv:1910.13302, sec. 3, for one model.
)");
}

}  // namespace edge::bindings
