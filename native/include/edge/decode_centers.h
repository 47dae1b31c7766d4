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
  float spread = 2;  // cells over which a center may lie, around the middle of its own
};

struct AnchorForm {
  bool exponential = false;  // sizes are e^(w, h); else (2 (w, h))^2
};

// One head per level and anchor. Center = (spread (x, y) - (spread - 1) / 2 + cell) * stride, size
// = growth * anchor, where x, y (and w, h unless exponential) go through the activation of the
// scores first.
// Source: Wang et al. 2021, arXiv:2011.08036, and the heads of YOLOv5 and YOLOv7; Redmon and
// Farhadi 2018, arXiv:1804.02767, sec. 2.1 (exponential, spread 1); Bochkovskiy et al. 2020,
// arXiv:2004.10934, sec. 3.4 (spread above 1).
void decode_anchors(Span<const Head> heads, Span<const Anchor> anchors, const AnchorForm& form,
                    const Scoring& scoring, Candidates& out, Target target = best_target());

}  // namespace edge
