// From a network's outputs to candidate boxes.
//
// Every decoder does two things: find the points whose score is above a threshold (`scan.h`,
// where nearly all the time goes), then work out the boxes of those few. The decoders differ only
// in the second.
#pragma once

#include <cstdint>
#include <vector>

#include "edge/dispatch.h"
#include "edge/span.h"
#include "edge/table.h"

namespace edge {

// Columns of one length; boxes are x1, y1, x2, y2. In the order of levels, points, classes.
// A candidate with a score or a corner that is not finite is never among them.
struct Candidates {
  std::vector<float> boxes;
  std::vector<float> scores;
  std::vector<std::int32_t> class_ids;
};

struct Scoring {
  float threshold = 0;       // a candidate's score is greater
  bool multi_label = false;  // every class above the threshold, not only the best
  bool logits = false;       // scores are sigmoids of what the tables hold
};

// One set of points: scores (C, N), boxes (4 * bins, N), and objectness (1, N) or nothing.
// With objectness, score = objectness * class score, and objectness itself must be above the
// threshold too.
struct Head {
  Table scores;
  Table boxes;
  Table objectness;
  std::size_t width = 0;  // points per row of the grid, for heads that lie on one
  float stride = 1;       // pixels per cell
};

enum class BoxForm { centre_size, corners };

// Boxes that need no arithmetic: (4, N), as `form` says.
void decode_boxes(const Head& head, BoxForm form, const Scoring& scoring, Candidates& out,
                  Target target = best_target());

struct Distances {
  std::size_t bins = 1;  // > 1: a distance is the mean of softmax over so many bins (DFL)
  float offset = 0.5f;   // of a cell's point from its corner, in cells
};

// Boxes as distances left, top, right, bottom from a cell's point, in cells; with bins, side-major.
// Source: Tian et al. 2019, arXiv:1904.01355, eq. 1; Li et al. 2020, arXiv:2006.04388, eq. 5.
void decode_distances(Span<const Head> heads, const Distances& distances, const Scoring& scoring,
                      Candidates& out, Target target = best_target());

}  // namespace edge
