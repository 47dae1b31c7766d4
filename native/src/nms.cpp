#include "edge/nms.h"

#include <algorithm>
#include <cmath>

namespace edge {
namespace {

struct Box {
  float x1, y1, x2, y2;
};

Box box_at(const BoxList& boxes, std::int32_t i) {
  const float* row = boxes.data + i * boxes.stride;
  return {row[0], row[1], row[2], row[3]};
}

float area(const Box& b) { return (b.x2 - b.x1) * (b.y2 - b.y1); }

float iou(const Box& a, const Box& b) {
  const float w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (!(w > 0 && h > 0)) return 0;
  const float overlap = w * h;
  return overlap / (area(a) + area(b) - overlap);
}

bool finite(const Box& b) {
  return std::isfinite(b.x1) && std::isfinite(b.y1) && std::isfinite(b.x2) && std::isfinite(b.y2);
}

}  // namespace

std::vector<std::int32_t> nms(const BoxList& boxes, const Column<float>& scores,
                              const Column<std::int32_t>& class_ids, const Suppression& how,
                              Target) {
  std::vector<std::int32_t> order;
  for (std::size_t i = 0; i < boxes.size; ++i) {
    const auto index = static_cast<std::int32_t>(i);
    if (std::isfinite(scores[i]) && finite(box_at(boxes, index))) order.push_back(index);
  }
  const auto score = [&](std::int32_t i) { return scores[static_cast<std::size_t>(i)]; };
  const auto class_id = [&](std::int32_t i) { return class_ids[static_cast<std::size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int32_t a, std::int32_t b) { return score(a) > score(b); });

  std::vector<std::int32_t> kept;
  for (const std::int32_t candidate : order) {
    if (kept.size() == how.max_detections) break;
    const Box box = box_at(boxes, candidate);
    const bool overlaps = std::any_of(kept.begin(), kept.end(), [&](std::int32_t other) {
      return (how.class_agnostic || class_id(other) == class_id(candidate)) &&
             iou(box_at(boxes, other), box) > how.iou_threshold;
    });
    if (!overlaps) kept.push_back(candidate);
  }
  return kept;
}

}  // namespace edge
