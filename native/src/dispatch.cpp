#include "edge/dispatch.h"

#include <stdexcept>

#include "simd/kernels.h"

namespace edge {

const char* name(Target target) {
  switch (target) {
    case Target::scalar: return "scalar";
#if defined(__aarch64__)
    case Target::baseline: return "neon";
#else
    case Target::baseline: return "baseline";
#endif
    case Target::avx2: return "avx2";
  }
  return "unknown";
}

std::vector<Target> available_targets() {
  std::vector<Target> found;
#if defined(EDGE_HAVE_SCALAR)
  found.push_back(Target::scalar);
#endif
  found.push_back(Target::baseline);
#if defined(EDGE_HAVE_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2")) {
    found.push_back(Target::avx2);
  }
#endif
  return found;
}

Target best_target() {
  static const Target best = available_targets().back();
  return best;
}

namespace simd {

const Kernels& kernels(Target target) {
  switch (target) {
#if defined(EDGE_HAVE_SCALAR)
    case Target::scalar: return scalar();
#endif
    case Target::baseline: return baseline();
#if defined(EDGE_HAVE_AVX2)
    case Target::avx2: return avx2();
#endif
    default: throw std::invalid_argument("this build has no such SIMD target");
  }
}

}  // namespace simd
}  // namespace edge
