#include "edge/decode.h"

#include <cmath>

#include "arithmetic.h"
#include "scan.h"

namespace edge {
namespace {

struct Box {
  float x1, y1, x2, y2;
};

void append(const Box& box, const Hit& hit, Candidates& out) {
  if (!(std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) &&
        std::isfinite(box.y2))) {
    return;
  }
  out.boxes.insert(out.boxes.end(), {box.x1, box.y1, box.x2, box.y2});
  out.scores.push_back(hit.score);
  out.class_ids.push_back(hit.class_id);
}

// The mean of softmax over `bins` channels from `first` on.
float expectation(const Table& boxes, std::size_t first, std::size_t bins, std::size_t point) {
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

void decode_boxes(const Head& head, BoxForm form, const Scoring& scoring, Candidates& out,
                  Target target) {
  for (const Hit& hit : scan(head, scoring, target)) {
    const float a = head.boxes.at(0, hit.point);
    const float b = head.boxes.at(1, hit.point);
    const float c = head.boxes.at(2, hit.point);
    const float d = head.boxes.at(3, hit.point);
    if (form == BoxForm::corners) {
      append({a, b, c, d}, hit, out);
    } else {
      const float half_width = c * 0.5f;
      const float half_height = d * 0.5f;
      append({a - half_width, b - half_height, a + half_width, b + half_height}, hit, out);
    }
  }
}

void decode_distances(Span<const Head> heads, const Distances& distances, const Scoring& scoring,
                      Candidates& out, Target target) {
  for (const Head& head : heads) {
    for (const Hit& hit : scan(head, scoring, target)) {
      const float x = static_cast<float>(hit.point % head.width) + distances.offset;
      const float y = static_cast<float>(hit.point / head.width) + distances.offset;
      float side[4];
      for (std::size_t i = 0; i < 4; ++i) {
        side[i] = distances.bins == 1
                      ? head.boxes.at(i, hit.point)
                      : expectation(head.boxes, i * distances.bins, distances.bins, hit.point);
      }
      append({(x - side[0]) * head.stride, (y - side[1]) * head.stride, (x + side[2]) * head.stride,
              (y + side[3]) * head.stride},
             hit, out);
    }
  }
}

}  // namespace edge
