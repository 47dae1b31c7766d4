#include "edge/decode_centers.h"

#include "appender.h"
#include "arithmetic.h"

namespace edge {

void decode_centers(Span<const Head> heads, const Scoring& scoring, Candidates& out,
                    Target target) {
  for (const Head& head : heads) {
    const TensorView& boxes = head.boxes;
    decode_grid(head, scoring, out, target, [&](float x, float y, std::size_t point) {
      return around((boxes.at(0, point) + x) * head.stride, (boxes.at(1, point) + y) * head.stride,
                    exp(boxes.at(2, point)) * head.stride, exp(boxes.at(3, point)) * head.stride);
    });
  }
}

void decode_anchors(Span<const Head> heads, Span<const Anchor> anchors, const Scoring& scoring,
                    Candidates& out, Target target) {
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const Head& head = heads[i];
    const Anchor& anchor = anchors[i];
    const auto twice = [&](std::size_t channel, std::size_t point) {
      const float raw = head.boxes.at(channel, point);
      return (scoring.activation == Activation::sigmoid ? sigmoid(raw) : raw) * 2.0f;
    };
    decode_grid(head, scoring, out, target, [&](float x, float y, std::size_t point) {
      const float width = twice(2, point);
      const float height = twice(3, point);
      return around((twice(0, point) - 0.5f + x) * head.stride,
                    (twice(1, point) - 0.5f + y) * head.stride, width * width * anchor.width,
                    height * height * anchor.height);
    });
  }
}

}  // namespace edge
