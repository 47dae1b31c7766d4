#include "module.h"

#include <string>

#include "edge/dispatch.h"

namespace py = pybind11;

namespace {

py::tuple targets() {
  const auto found = edge::available_targets();
  py::tuple names(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) names[i] = edge::name(found[i]);
  return names;
}

}  // namespace

PYBIND11_MODULE(_native, m, py::mod_gil_not_used()) {
  using namespace edge::bindings;
  bind_letterbox(m);
  bind_decoding(m);
  bind_suppression(m);
  bind_statistics(m);
  m.def("targets", &targets, "Names of the SIMD targets that run here, plainest first.");
  m.def(
      "target", [] { return std::string(edge::name(edge::best_target())); },
      "Name of the SIMD target in use.");
}
