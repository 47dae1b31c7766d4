#include "edge/decode_boxes.h"

#include <algorithm>
#include <numeric>

#include "appender.h"
#include "arithmetic.h"

namespace edge {
namespace {

Box box_at(const Table& boxes, std::size_t point, const BoxForm& form) {
  float a = boxes.at(0, point);
  float b = boxes.at(1, point);
  float c = boxes.at(2, point);
  float d = boxes.at(3, point);
  if (form.priors != nullptr) {
    const float* prior = form.priors + 4 * point;
    a = a * form.centre_variance * prior[2] + prior[0];
    b = b * form.centre_variance * prior[3] + prior[1];
    c = exp(c * form.size_variance) * prior[2];
    d = exp(d * form.size_variance) * prior[3];
  }
  a *= form.scale_x;
  b *= form.scale_y;
  c *= form.scale_x;
  d *= form.scale_y;
  return form.corners ? Box{a, b, c, d} : around(a, b, c, d);
}

}  // namespace

void decode_boxes(const Head& head, const BoxForm& form, const Scoring& scoring, Candidates& out,
                  Target target) {
  const auto& hits = scan(head, scoring, target);
  Appender boxes(out, hits.size());
  for (const Hit& hit : hits) boxes.add(box_at(head.boxes, hit.point, form), hit);
}

void decode_final(const Head& head, Span<const std::int32_t> class_ids, const BoxForm& form,
                  const Scoring& scoring, Candidates& out) {
  Appender boxes(out, class_ids.size());
  for (std::size_t i = 0; i < class_ids.size(); ++i) {
    const float score = head.scores.at(0, i);
    if (class_ids[i] < 0 || !(score > scoring.threshold) || score * 0 != 0) continue;
    boxes.add(box_at(head.boxes, i, form), {static_cast<std::uint32_t>(i), class_ids[i], score});
  }
}

void keep_best(Candidates& found, std::size_t most) {
  std::vector<std::size_t> order(found.scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(most, order.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](std::size_t a, std::size_t b) {
    return found.scores[a] != found.scores[b] ? found.scores[a] > found.scores[b] : a < b;
  });
  Candidates best;
  for (auto it = order.begin(); it != end; ++it) {
    const float* box = found.boxes.data() + 4 * *it;
    best.boxes.insert(best.boxes.end(), box, box + 4);
    best.scores.push_back(found.scores[*it]);
    best.class_ids.push_back(found.class_ids[*it]);
  }
  found = std::move(best);
}

}  // namespace edge
