// Boxes as a centre inside each cell and a size.
#pragma once

#include "edge/decode.h"

namespace edge {

// `head.boxes` is (4, N): x, y, w, h. Centre = ((x, y) + cell) * stride, size = e^(w, h) * stride.
// Source: Ge et al. 2021, arXiv:2107.08430.
void decode_centres(Span<const Head> heads, const Scoring& scoring, Candidates& out,
                    Target target = best_target());

struct Anchor {
  float width;  // pixels
  float height;
};

// One head per level and anchor. Centre = (2 (x, y) - 0.5 + cell) * stride, size = (2 (w, h))^2 *
// anchor, where x, y, w, h go through the activation of the scores first.
// Source: Wang et al. 2021, arXiv:2011.08036, and the heads of YOLOv5 and YOLOv7.
void decode_anchors(Span<const Head> heads, Span<const Anchor> anchors, const Scoring& scoring,
                    Candidates& out, Target target = best_target());

}  // namespace edge
