// Finds the points of a head whose score is above the threshold.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "edge/decode.h"

namespace edge {

struct Hit {
  std::uint32_t point;
  std::int32_t class_id;
  float score;
};

using UseHits = std::function<void(const std::vector<Hit>& hits)>;

// Gives the hits to `use`, some at a time, in the order of points, then classes. The best class is
// the lowest of those with the greatest raw value; raw values that are NaN are passed over.
void scan(const Head& head, const Scoring& scoring, Target target, const UseHits& use);

}  // namespace edge
