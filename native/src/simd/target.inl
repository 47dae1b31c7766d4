// Included once per target, which defines EDGE_TARGET. Everything lives in an anonymous
// namespace: no symbol built with wider instructions can replace another target's.
// Include no standard header that has inline code here.
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define EDGE_NEON  // of 64 bits; that of 32 lacks some, and runs the portable loops
#include <arm_neon.h>
#endif

#include "simd/kernels.h"

namespace edge::simd {
namespace {

#include "simd/vector.inl"  // first: the others are made of it
//
#include "simd/pixels.inl"
#include "simd/scan.inl"
#include "simd/statistics.inl"
#include "simd/suppress.inl"

constexpr Kernels kTable{&scan_rows<float>, &scan_rows<i8>,   &scan_rows<u8>, &scan_planes<float>,
                         &scan_planes<i8>,  &scan_planes<u8>, &suppress,      &hresize,
                         &vresize,          &downsample_2x,   &deinterleave,  &interleave,
                         &yuv_to_bgr,       &to_int8,         &normalize,     &normalize_pixels,
                         &value_range};

}  // namespace

const Kernels& EDGE_TARGET() { return kTable; }

}  // namespace edge::simd
