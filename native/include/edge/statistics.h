// What calibration accumulates over gigabytes of activations, at the speed of memory.
#pragma once

#include <cstdint>

#include "edge/dispatch.h"
#include "edge/span.h"

namespace edge {

// Of the values that are numbers and finite; low > high when there are none.
struct Range {
  float low;
  float high;
};

Range value_range(Span<const float> values, Target target = best_target());

constexpr std::size_t kMagnitudes = 32768;

// Adds to `counts`, of kMagnitudes, how many values have each upper half of the bits of |value|:
// bins that need no range and are at most 1/128 wide, relative to their values, from which any
// percentile of the magnitudes follows. Infinities and not-a-numbers have bins of their own, from
// 0x7f80 on.
void add_magnitudes(Span<const float> values, Span<std::int64_t> counts);

}  // namespace edge
