#include "edge/decode_peaks.h"

#include "appender.h"

namespace edge {
namespace {

// Whether no neighbor of a cell is greater; those that are not a number are not.
bool is_peak(const TensorView& heat, std::size_t width, std::size_t point) {
  const float value = heat.at(0, point);
  const std::size_t x = point % width;
  const std::size_t first = x == 0 ? 0 : 1;
  const std::size_t last = x + 1 == width ? 0 : 1;
  const std::size_t up = point >= width ? width : 0;
  const std::size_t down = point + width < heat.points ? width : 0;
  for (const std::size_t row : {point - up, point, point + down}) {
    for (std::size_t i = row - first; i <= row + last; ++i) {
      if (heat.at(0, i) > value) return false;
    }
  }
  return true;
}

}  // namespace

void decode_peaks(const Head& head, const TensorView& offsets, const Scoring& scoring,
                  Candidates& out, Target target) {
  Head plane = head;
  for (std::size_t c = 0; c < head.scores.channels; ++c) {
    plane.scores = head.scores.slice(c, 1);
    scan(plane, scoring, target, [&](const std::vector<Hit>& hits) {
      Appender boxes(out, hits.size());
      for (Hit hit : hits) {
        if (!is_peak(plane.scores, head.width, hit.point)) continue;
        const bool placed = offsets.data != nullptr;
        const std::size_t row = hit.point / head.width;
        const auto x = static_cast<float>(hit.point % head.width);
        const auto y = static_cast<float>(row);
        hit.class_id = static_cast<std::int32_t>(c);
        boxes.add(around((x + (placed ? offsets.at(0, hit.point) : 0.5f)) * head.stride,
                         (y + (placed ? offsets.at(1, hit.point) : 0.5f)) * head.stride,
                         head.boxes.at(0, hit.point) * head.stride,
                         head.boxes.at(1, hit.point) * head.stride),
                  hit);
      }
    });
  }
}

}  // namespace edge
