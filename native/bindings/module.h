// The only files that know Python. They check arrays, borrow their memory, release the GIL, and
// call a kernel. Documentation lives in edge/ops.
#pragma once

#include <pybind11/pybind11.h>

namespace edge::bindings {

void bind_letterbox(pybind11::module_& m);
void bind_decoding(pybind11::module_& m);
void bind_suppression(pybind11::module_& m);
void bind_statistics(pybind11::module_& m);

}  // namespace edge::bindings
