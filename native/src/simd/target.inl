// Included once per target, which defines EDGE_TARGET. Everything lives in an anonymous
// namespace: no symbol built with wider instructions can replace another target's.
// Include no standard header that has inline code here.
#include "simd/kernels.h"

namespace edge::simd {
namespace {

#include "simd/pixels.inl"

constexpr Kernels kTable{&mix_columns, &mix_rows, &halve, &split, &normalise};

}  // namespace

const Kernels& EDGE_TARGET() { return kTable; }

}  // namespace edge::simd
