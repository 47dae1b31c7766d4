// The inner loops, one table per SIMD target. No allocation, no exceptions, no inline code of
// others: see target.inl.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edge {
enum class Target : int;  // edge/dispatch.h, whose <vector> must stay out of here
}

namespace edge::simd {

using u8 = std::uint8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;

// How to interpolate along a row. Column x mixes the pixels `left[x]` and `left[x] + 1` by
// `weights[2x]` and `weights[2x + 1]`, which add up to 2048.
struct Columns {
  const i32* left;
  const i16* weights;
  std::size_t count;
};

struct Kernels {
  // One row interpolated: out[c][x] = the mix of channel c, times 128.
  void (*mix_columns)(const u8* row, int channels, const Columns& columns, i16* const out[3]);
  // Two such rows: out[x] = a[x] * weight_a + b[x] * weight_b, rounded to a pixel.
  void (*mix_rows)(const i16* a, const i16* b, int weight_a, int weight_b, std::size_t count,
                   u8* out);
  // Half size: the rounded mean of 2 x 2 pixels.
  void (*halve)(const u8* top, const u8* bottom, int channels, std::size_t count, u8* const out[3]);
  // One row of interleaved pixels into `channels` planes.
  void (*split)(const u8* row, int channels, std::size_t count, u8* const out[3]);
  // out = (pixel - mean) * scale
  void (*normalise)(const u8* row, std::size_t count, float mean, float scale, float* out);
};

const Kernels& baseline();
#if defined(EDGE_HAVE_AVX2)
const Kernels& avx2();
#endif

const Kernels& kernels(Target target);

}  // namespace edge::simd
