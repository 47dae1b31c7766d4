#include "edge/decode_boxes.h"

#include <algorithm>
#include <numeric>

#include "appender.h"
#include "arithmetic.h"

namespace edge {
namespace {

void from_prior(const float prior[4], const BoxForm& form, float box[4]) {
  box[0] = box[0] * form.center_variance * prior[2] + prior[0];
  box[1] = box[1] * form.center_variance * prior[3] + prior[1];
  box[2] = exp(box[2] * form.size_variance) * prior[2];
  box[3] = exp(box[3] * form.size_variance) * prior[3];
}

inline Box box_at(const TensorView& boxes, std::size_t point, const BoxForm& form) {
  float box[4];
  boxes.load_box(point, box);
  if (form.priors != nullptr) from_prior(form.priors + 4 * point, form, box);
  const float a = box[0] * form.scale_x;
  const float b = box[1] * form.scale_y;
  const float c = box[2] * form.scale_x;
  const float d = box[3] * form.scale_y;
  return form.corners ? Box{a, b, c, d} : around(a, b, c, d);
}

}  // namespace

void decode_boxes(const Head& head, const BoxForm& form, const Scoring& scoring, Candidates& out,
                  Target target) {
  scan(head, scoring, target, [&](const std::vector<Hit>& hits) {
    Appender boxes(out, hits.size());
    for (const Hit& hit : hits) boxes.add(box_at(head.boxes, hit.point, form), hit);
  });
}

void decode_end2end(const Head& head, Span<const std::int32_t> class_ids, const BoxForm& form,
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
