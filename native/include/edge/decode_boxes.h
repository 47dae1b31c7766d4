// Boxes that lie on no grid: decoded already, relative to the input's size, or to prior boxes.
#pragma once

#include "edge/decode.h"

namespace edge {

struct BoxForm {
  bool corners = false;  // x1, y1, x2, y2; else center x, center y, width, height
  float scale_x = 1;     // pixels per unit
  float scale_y = 1;
  // (N, 4) center x, center y, width, height: boxes are offsets from these, times the variances.
  // Source: Liu et al. 2016, arXiv:1512.02325, eq. 2.
  const float* priors = nullptr;
  float center_variance = 1;
  float size_variance = 1;
};

// `head.boxes` is (4, N).
void decode_boxes(const Head& head, const BoxForm& form, const Scoring& scoring, Candidates& out,
                  Target target = best_target());

// The same where every point has one score and its class is known; those below 0 are padding.
void decode_end2end(const Head& head, Span<const std::int32_t> class_ids, const BoxForm& form,
                    const Scoring& scoring, Candidates& out);

}  // namespace edge
