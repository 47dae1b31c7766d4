// From a network's outputs to candidate boxes: what all decoders share.
//
// Every decoder does two things: find the points whose score is above a threshold (where nearly
// all the time goes), then work out the boxes of those few. The decoders differ in the second.
#pragma once

#include <cstdint>
#include <vector>

#include "edge/dispatch.h"
#include "edge/span.h"
#include "edge/tensor_view.h"

namespace edge {

// Columns of one length; boxes are x1, y1, x2, y2. In the order of levels, points, classes.
// A candidate with a score or a corner that is not finite is never among them.
struct Candidates {
  std::vector<float> boxes;
  std::vector<float> scores;
  std::vector<std::int32_t> class_ids;
};

// From what a table holds to a score.
enum class Activation { none, sigmoid, softmax };

struct Scoring {
  float threshold = 0;       // a candidate's score is greater
  bool multi_label = false;  // every class above the threshold, not only the best
  Activation activation = Activation::none;
  bool sqrt = false;  // with objectness: the square root of the product
};

// One set of points. With objectness, score = objectness * class score, and objectness itself must
// be above the threshold too (above its square, with `sqrt`).
struct Head {
  TensorView scores;      // (C, N)
  TensorView boxes;       // (channels, N), as the decoder says
  TensorView objectness;  // (1, N) of the type of `scores`, or nothing
  TensorView
      background;  // (1, N): a class that takes part in softmax and is never reported, or nothing
  std::size_t width = 0;  // points per row of the grid, for heads that lie on one
  float stride = 1;       // pixels per cell
};

// Leaves the best `most`, best first; the earlier one first among equals.
void keep_best(Candidates& found, std::size_t most);

}  // namespace edge
