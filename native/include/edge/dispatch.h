// Which instruction set to run: chosen once, never changed, or named by the caller.
#pragma once

#include <vector>

namespace edge {

// baseline: what every CPU of the architecture has (SSE2 on x86-64, NEON on aarch64).
// scalar: without vectors, for tests to compare with; aarch64 with the build option EDGE_SCALAR.
enum class Target : int { scalar, baseline, avx2 };

const char* name(Target target);

// The targets that are compiled in and that this CPU runs, plainest first.
std::vector<Target> available_targets();

Target best_target();

}  // namespace edge
