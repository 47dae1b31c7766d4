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

void decode_anchors(Span<const Head> heads, Span<const Anchor> anchors, const AnchorForm& form,
                    const Scoring& scoring, Candidates& out, Target target) {
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const Head& head = heads[i];
    const Anchor& anchor = anchors[i];
    const float shift = (anchor.spread - 1.0f) / 2.0f;
    const auto active = [&](std::size_t channel, std::size_t point) {
      const float raw = head.boxes.at(channel, point);
      return scoring.activation == Activation::sigmoid ? sigmoid(raw) : raw;
    };
    const auto growth = [&](std::size_t channel, std::size_t point) {
      if (form.exponential) return exp(head.boxes.at(channel, point));
      const float twice = active(channel, point) * 2.0f;
      return twice * twice;
    };
    decode_grid(head, scoring, out, target, [&](float x, float y, std::size_t point) {
      return around((active(0, point) * anchor.spread - shift + x) * head.stride,
                    (active(1, point) * anchor.spread - shift + y) * head.stride,
                    growth(2, point) * anchor.width, growth(3, point) * anchor.height);
    });
  }
}

}  // namespace edge
