#include "scan.h"

#include <cmath>
#include <limits>

#include "arithmetic.h"

namespace edge {
namespace {

float score_of(float raw, const Scoring& scoring) { return scoring.logits ? sigmoid(raw) : raw; }

}  // namespace

const std::vector<Hit>& scan(const Head& head, const Scoring& scoring, Target) {
  thread_local std::vector<Hit> hits;
  hits.clear();
  const Table& scores = head.scores;
  const auto push = [&](std::size_t point, std::size_t class_id, float raw, float objectness) {
    const float score = score_of(raw, scoring) * objectness;
    if (score > scoring.threshold && std::isfinite(score)) {
      hits.push_back({point, static_cast<std::int32_t>(class_id), score});
    }
  };
  for (std::size_t point = 0; point < scores.points; ++point) {
    float objectness = 1;
    if (head.objectness.data != nullptr) {
      objectness = score_of(head.objectness.at(0, point), scoring);
      if (!(objectness > scoring.threshold)) continue;
    }
    float best = -std::numeric_limits<float>::infinity();
    std::size_t best_class = 0;
    for (std::size_t c = 0; c < scores.channels; ++c) {
      const float raw = scores.at(c, point);
      if (scoring.multi_label) push(point, c, raw, objectness);
      if (raw > best) {
        best = raw;
        best_class = c;
      }
    }
    if (!scoring.multi_label) push(point, best_class, best, objectness);
  }
  return hits;
}

}  // namespace edge
