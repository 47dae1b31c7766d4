// Finds the points of a head whose score is above the threshold.
#pragma once

#include <cstdint>
#include <vector>

#include "edge/decode.h"

namespace edge {

struct Hit {
  std::uint32_t point;
  std::int32_t class_id;
  float score;
};

// Hits in the order of points, then classes. The best class is the lowest of those with the
// greatest raw value; raw values that are NaN are passed over.
// The result is valid until the thread's next call.
const std::vector<Hit>& scan(const Head& head, const Scoring& scoring, Target target);

}  // namespace edge
