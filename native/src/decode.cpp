#include "edge/decode.h"

#include "arithmetic.h"
#include "scan.h"

namespace edge {
namespace {

struct Box {
  float x1, y1, x2, y2;
};

// Adds boxes to columns that have room for all of them.
class Appender {
 public:
  Appender(Candidates& out, std::size_t most) : out_(out), count_(out.scores.size()) {
    out.boxes.resize(4 * (count_ + most));
    out.scores.resize(count_ + most);
    out.class_ids.resize(count_ + most);
  }
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  ~Appender() {
    out_.boxes.resize(4 * count_);
    out_.scores.resize(count_);
    out_.class_ids.resize(count_);
  }

  void add(const Box& box, const Hit& hit) {
    // A sum of zeros is a number only when none of them was infinite or not a number.
    if (box.x1 * 0 + box.y1 * 0 + box.x2 * 0 + box.y2 * 0 != 0) return;
    float* to = out_.boxes.data() + 4 * count_;
    to[0] = box.x1;
    to[1] = box.y1;
    to[2] = box.x2;
    to[3] = box.y2;
    out_.scores[count_] = hit.score;
    out_.class_ids[count_] = hit.class_id;
    ++count_;
  }

 private:
  Candidates& out_;
  std::size_t count_;
};

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
  const auto& hits = scan(head, scoring, target);
  Appender boxes(out, hits.size());
  for (const Hit& hit : hits) {
    const float a = head.boxes.at(0, hit.point);
    const float b = head.boxes.at(1, hit.point);
    const float c = head.boxes.at(2, hit.point);
    const float d = head.boxes.at(3, hit.point);
    if (form == BoxForm::corners) {
      boxes.add({a, b, c, d}, hit);
    } else {
      const float half_width = c * 0.5f;
      const float half_height = d * 0.5f;
      boxes.add({a - half_width, b - half_height, a + half_width, b + half_height}, hit);
    }
  }
}

void decode_distances(Span<const Head> heads, const Distances& distances, const Scoring& scoring,
                      Candidates& out, Target target) {
  for (const Head& head : heads) {
    const auto& hits = scan(head, scoring, target);
    Appender boxes(out, hits.size());
    for (const Hit& hit : hits) {
      const float x = static_cast<float>(hit.point % head.width) + distances.offset;
      const float y = static_cast<float>(hit.point / head.width) + distances.offset;
      float side[4];
      for (std::size_t i = 0; i < 4; ++i) {
        side[i] = distances.bins == 1
                      ? head.boxes.at(i, hit.point)
                      : expectation(head.boxes, i * distances.bins, distances.bins, hit.point);
      }
      boxes.add({(x - side[0]) * head.stride, (y - side[1]) * head.stride,
                 (x + side[2]) * head.stride, (y + side[3]) * head.stride},
                hit);
    }
  }
}

}  // namespace edge
