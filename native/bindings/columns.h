// What decoders and merging return.
#pragma once

#include <pybind11/gil_safe_call_once.h>

#include <optional>
#include <string>

#include "arrays.h"
#include "edge/decode.h"

namespace edge::bindings {

// An `edge.types.Candidates`: one type on both sides, so that Python adds nothing.
inline py::object candidates_of(const Candidates& found) {
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> type;
  type.call_once_and_store_result(
      [] { return py::object(py::module_::import("edge.types").attr("Candidates")); });
  const auto n = static_cast<py::ssize_t>(found.scores.size());
  return type.get_stored()(py::array_t<float>({n, py::ssize_t{4}}, found.boxes.data()),
                           py::array_t<float>(n, found.scores.data()),
                           py::array_t<std::int32_t>(n, found.class_ids.data()));
}

// Runs a decoder without the GIL. With `limit`, keeps the best of what it found.
template <class Decode>
py::object decoded(const Decode& decode, std::optional<std::int64_t> limit = {}) {
  if (limit && *limit < 0)
    throw_value_error("limit must not be negative, got " + std::to_string(*limit));
  thread_local Candidates found;  // keeps its memory
  found.boxes.clear();
  found.scores.clear();
  found.class_ids.clear();
  {
    py::gil_scoped_release release;
    decode(found);
    if (limit) keep_best(found, static_cast<std::size_t>(*limit));
  }
  return candidates_of(found);
}

}  // namespace edge::bindings
