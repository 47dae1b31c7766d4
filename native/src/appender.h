// Adds candidates to columns that have room for all of them.
#pragma once

#include "edge/decode.h"
#include "scan.h"

namespace edge {

struct Box {
  float x1, y1, x2, y2;
};

inline Box around(float x, float y, float width, float height) {
  const float half_width = width * 0.5f;
  const float half_height = height * 0.5f;
  return {x - half_width, y - half_height, x + half_width, y + half_height};
}

class Appender {
 public:
  Appender(Candidates& out, std::size_t most) : out_(out), count_(out.scores.size()) {
    resize(count_ + most);
  }
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;
  ~Appender() { resize(count_); }  // never grows, so never throws

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
  void resize(std::size_t size) {
    out_.boxes.resize(4 * size);
    out_.scores.resize(size);
    out_.class_ids.resize(size);
  }

  Candidates& out_;
  std::size_t count_;
};

// Calls `box_of(head, x, y, hit)` for every hit, x and y being its cell.
template <class BoxOf>
void decode_grid(const Head& head, const Scoring& scoring, Candidates& out, Target target,
                 const BoxOf& box_of) {
  scan(head, scoring, target, [&](const std::vector<Hit>& hits) {
    Appender boxes(out, hits.size());
    for (const Hit& hit : hits) {
      const std::size_t row = hit.point / head.width;
      const std::size_t column = hit.point % head.width;
      boxes.add(box_of(static_cast<float>(column), static_cast<float>(row), hit.point), hit);
    }
  });
}

}  // namespace edge
