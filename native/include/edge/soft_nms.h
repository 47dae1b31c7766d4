// Suppression that lowers scores instead of dropping boxes.
#pragma once

#include <cstdint>
#include <vector>

#include "edge/nms.h"

namespace edge {

enum class Decay { linear, gaussian };

struct Softness {
  Decay decay = Decay::gaussian;
  float sigma = 0.5f;
  float iou_threshold = 0.3f;      // linear: smaller overlaps do not count
  float score_threshold = 0.001f;  // boxes whose score is not above it are dropped
  bool class_agnostic = false;
  std::size_t max_detections = static_cast<std::size_t>(-1);
  std::size_t top_k = static_cast<std::size_t>(-1);
};

// Indices best first, the lower one first among equals, and the lowered scores.
struct Softened {
  std::vector<std::int32_t> indices;
  std::vector<float> scores;
};

// The best box is taken; those of its class that it overlaps lose score: times 1 - IoU where IoU is
// above the threshold (linear), or e^(-IoU^2 / sigma) (gaussian); and so on with the rest.
// Source: Bodla et al. 2017, arXiv:1704.04503.
Softened soft_nms(const BoxList& boxes, const Column<float>& scores,
                  const Column<std::int32_t>& class_ids, const Softness& how);

}  // namespace edge
