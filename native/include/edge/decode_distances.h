// Boxes as distances left, top, right, bottom from the point of each cell.
// Source: Tian et al. 2019, arXiv:1904.01355, eq. 1; Li et al. 2020, arXiv:2006.04388, eq. 5.
#pragma once

#include "edge/decode.h"

namespace edge {

struct Distances {
  std::size_t bins = 1;    // > 1: a distance is the mean of softmax over so many bins (DFL)
  float offset = 0.5f;     // of a cell's point from its corner, in cells
  bool in_pixels = false;  // else distances are in cells
};

// `head.boxes` is (4 * bins, N), all bins of one side together.
void decode_distances(Span<const Head> heads, const Distances& distances, const Scoring& scoring,
                      Candidates& out, Target target = best_target());

}  // namespace edge
