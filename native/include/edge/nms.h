// Greedy non-maximum suppression.
#pragma once

#include <cstdint>
#include <vector>

#include "edge/dispatch.h"
#include "edge/span.h"

namespace edge {

// N boxes x1, y1, x2, y2 in any common unit; the four numbers of one lie together.
struct BoxList {
  const float* data;
  std::ptrdiff_t stride;  // floats from one box to the next
  std::size_t size;
};

struct Suppression {
  float iou_threshold = 0.45f;
  bool class_agnostic = false;
  std::size_t max_detections = static_cast<std::size_t>(-1);
  std::size_t top_k = static_cast<std::size_t>(-1);  // only so many of the best are looked at
};

// The indices of the boxes kept, best score first; equal scores keep the lower index first.
// A box is dropped when its IoU with a kept box of the same class is above the threshold.
// Boxes or scores that are not finite are dropped. Zero-area and inverted boxes overlap nothing,
// so they neither drop a box nor are dropped.
std::vector<std::int32_t> nms(const BoxList& boxes, const Column<float>& scores,
                              const Column<std::int32_t>& class_ids, const Suppression& how,
                              Target target = best_target());

}  // namespace edge
