#include "edge/decode_distances.h"

#include "appender.h"
#include "arithmetic.h"

namespace edge {
namespace {

// The mean of softmax over `bins` channels from `first` on.
float expectation(const TensorView& boxes, std::size_t first, std::size_t bins, std::size_t point) {
  float highest = boxes.at(first, point);
  for (std::size_t k = 1; k < bins; ++k) {
    const float value = boxes.at(first + k, point);
    highest = value > highest ? value : highest;
  }
  float total = 0;
  float weighted = 0;
  for (std::size_t k = 0; k < bins; ++k) {
    const float weight = exp(boxes.at(first + k, point) - highest);
    total += weight;
    weighted += weight * static_cast<float>(k);
  }
  return weighted / total;
}

}  // namespace

void decode_distances(Span<const Head> heads, const Distances& distances, const Scoring& scoring,
                      Candidates& out, Target target) {
  const std::size_t bins = distances.bins;
  for (const Head& head : heads) {
    decode_grid(head, scoring, out, target, [&](float x, float y, std::size_t point) {
      float side[4];
      if (bins == 1) {
        head.boxes.load_box(point, side);
      } else {
        for (std::size_t i = 0; i < 4; ++i) {
          side[i] = expectation(head.boxes, i * bins, bins, point);
        }
      }
      x += distances.offset;
      y += distances.offset;
      const float s = head.stride;
      if (distances.in_pixels) {
        return Box{x * s - side[0], y * s - side[1], x * s + side[2], y * s + side[3]};
      }
      return Box{(x - side[0]) * s, (y - side[1]) * s, (x + side[2]) * s, (y + side[3]) * s};
    });
  }
}

}  // namespace edge
