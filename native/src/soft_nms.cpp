#include "edge/soft_nms.h"

#include <algorithm>
#include <utility>

#include "arithmetic.h"
#include "order.h"

namespace edge {
namespace {

struct Entry {
  std::int32_t index;
  std::int32_t class_id;
  float score;
  Corners box;
};

std::vector<Entry> entries(const BoxList& boxes, const Column<float>& scores,
                           const Column<std::int32_t>& class_ids, const Softness& how) {
  std::vector<std::int32_t> order;
  order_by_score(boxes, scores, how.top_k, order);
  std::vector<Entry> out;
  for (const std::int32_t i : order) {
    const auto k = static_cast<std::size_t>(i);
    out.push_back({i, how.class_agnostic ? 0 : class_ids[k], scores[k], corners_of(boxes, i)});
  }
  return out;
}

bool better(const Entry& a, const Entry& b) {
  return a.score != b.score ? a.score > b.score : a.index < b.index;
}

}  // namespace

Softened soft_nms(const BoxList& boxes, const Column<float>& scores,
                  const Column<std::int32_t>& class_ids, const Softness& how) {
  std::vector<Entry> open = entries(boxes, scores, class_ids, how);
  Softened out;
  for (auto first = open.begin(); first != open.end(); ++first) {
    if (out.indices.size() >= how.max_detections) break;
    std::iter_swap(first, std::min_element(first, open.end(), better));
    if (!(first->score > how.score_threshold)) break;
    out.indices.push_back(first->index);
    out.scores.push_back(first->score);
    for (auto other = first + 1; other != open.end(); ++other) {
      if (other->class_id != first->class_id) continue;
      const float overlap = iou(first->box, other->box);
      if (!(overlap > 0)) continue;  // nor one that is no number, of boxes too large for float
      if (how.decay == Decay::gaussian) {
        other->score *= exp(-(overlap * overlap) / how.sigma);
      } else if (overlap > how.iou_threshold) {
        other->score *= 1.0f - overlap;
      }
    }
  }
  return out;
}

}  // namespace edge
