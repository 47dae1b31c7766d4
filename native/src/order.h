// What all suppression starts from: usable boxes, best first.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "edge/nms.h"

namespace edge {

struct Corners {
  float x1, y1, x2, y2;
};

inline Corners corners_of(const BoxList& boxes, std::int32_t i) {
  const float* row = boxes.data + i * boxes.stride;
  return {row[0], row[1], row[2], row[3]};
}

inline float area(const Corners& b) { return (b.x2 - b.x1) * (b.y2 - b.y1); }

// 0 where either has no area or its corners are the wrong way round.
inline float iou(const Corners& a, const Corners& b) {
  const float w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (!(w > 0 && h > 0)) return 0;
  const float overlap = w * h;
  const float ratio = overlap / (area(a) + area(b) - overlap);
  return ratio == ratio ? ratio : 0;  // areas may be infinite
}

// The indices of boxes and scores that are finite, best score first, the lower index first among
// equals; at most `most` of them.
void order_by_score(const BoxList& boxes, const Column<float>& scores, std::size_t most,
                    std::vector<std::int32_t>& order);

}  // namespace edge
