// Boxes as a center inside each cell and a size.
#pragma once

#include "edge/decode.h"

namespace edge {

// `head.boxes` is (4, N): x, y, w, h. Center = ((x, y) + cell) * stride, size = e^(w, h) * stride.
// Source: Ge et al. 2021, arXiv:2107.08430.
void decode_centers(Span<const Head> heads, const Scoring& scoring, Candidates& out,
                    Target target = best_target());

struct Anchor {
  float width;  // pixels
  float height;
};

// One head per level and anchor. Center = (2 (x, y) - 0.5 + cell) * stride, size = (2 (w, h))^2 *
// anchor, where x, y, w, h go through the activation of the scores first.
// Source: Wang et al. 2021, arXiv:2011.08036, and the heads of YOLOv5 and YOLOv7.
void decode_anchors(Span<const Head> heads, Span<const Anchor> anchors, const Scoring& scoring,
                    Candidates& out, Target target = best_target());

}  // namespace edge
