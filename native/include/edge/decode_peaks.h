// Objects as peaks of a heat map.
#pragma once

#include "edge/decode.h"

namespace edge {

// Every cell of every class that no neighbor of the eight exceeds is an object. `head.boxes` is
// (2, N), width and height in cells; `offsets` (2, N), where in its cell the center lies, or
// nothing (0.5). Always multi-label. In the order of classes, cells.
// Source: Zhou et al. 2019, arXiv:1904.07850, sec. 4.
void decode_peaks(const Head& head, const TensorView& offsets, const Scoring& scoring,
                  Candidates& out, Target target = best_target());

}  // namespace edge
