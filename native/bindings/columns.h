// What decoders and merging return: arrays of boxes (N, 4), scores (N,) and class ids (N,).
#pragma once

#include <optional>
#include <string>
#include <tuple>

#include "arrays.h"
#include "edge/decode.h"

namespace edge::bindings {

using Columns = std::tuple<py::array, py::array, py::array>;

inline Columns columns_of(const Candidates& found) {
  const auto n = static_cast<py::ssize_t>(found.scores.size());
  return {py::array_t<float>({n, py::ssize_t{4}}, found.boxes.data()),
          py::array_t<float>(n, found.scores.data()),
          py::array_t<std::int32_t>(n, found.class_ids.data())};
}

// Runs a decoder without the GIL. With `most`, keeps the best of what it found.
template <class Decode>
Columns decoded(const Decode& decode, std::optional<std::int64_t> most = {}) {
  if (most && *most < 0) wrong_value("most is not negative, got " + std::to_string(*most));
  thread_local Candidates found;  // keeps its memory
  found.boxes.clear();
  found.scores.clear();
  found.class_ids.clear();
  {
    py::gil_scoped_release release;
    decode(found);
    if (most) keep_best(found, static_cast<std::size_t>(*most));
  }
  return columns_of(found);
}

}  // namespace edge::bindings
