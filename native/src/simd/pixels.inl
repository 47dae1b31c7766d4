// The loops of the letterbox. Each does as much as it can with the wide version of this target
// (pixels_*.inl), which returns how far it came, and ends plainly.

// ITU-R BT.601, studio range, 6 fractional bits, all in 16: a product is (value << shift) *
// coefficient >> 15, rounded. At most one level from a conversion with more bits (OpenCV has 20),
// and that in some three of a hundred values, where the exact one lies next to a half.
constexpr i16 kLuma = 19071, kBlue = 16531, kGreenU = 3203, kGreenV = 6660, kRed = 13074;

#if defined(__AVX2__)
#include "simd/pixels_avx2.inl"
#elif defined(EDGE_NEON)
#include "simd/pixels_neon.inl"
#else
#include "simd/pixels_plain.inl"
#endif

void hresize(const u8* row, int channels, const Columns& columns, i16* const out[3]) {
  std::size_t x = channels == 3 ? simd_hresize(row, columns, out) : 0;
  for (; x < columns.count; ++x) {
    const u8* pixel = row + columns.left[x];
    const i32 a = columns.weights[2 * x];
    const i32 b = columns.weights[2 * x + 1];
    for (int c = 0; c < channels; ++c) {
      out[c][x] = static_cast<i16>((pixel[c] * a + pixel[c + channels] * b) >> 4);
    }
  }
}

void vresize(const i16* a, const i16* b, int weight_a, int weight_b, std::size_t count, u8* out) {
  std::size_t x = simd_vresize(a, b, weight_a, weight_b, count, out);
  for (; x < count; ++x) {
    const i32 mixed = (a[x] * weight_a >> 16) + (b[x] * weight_b >> 16);
    out[x] = static_cast<u8>((mixed + 2) >> 2);
  }
}

void downsample_2x(const u8* top, const u8* bottom, int channels, std::size_t count,
                   u8* const out[3]) {
  const std::size_t wide = simd_downsample_2x(top, bottom, channels, count, out);
  const std::size_t step = static_cast<std::size_t>(channels);
  for (std::size_t c = 0; c < step; ++c) {
    for (std::size_t x = wide; x < count; ++x) {
      const std::size_t i = 2 * x * step + c;
      const int total = top[i] + top[i + step] + bottom[i] + bottom[i + step];
      out[c][x] = static_cast<u8>((total + 2) >> 2);
    }
  }
}

void deinterleave(const u8* row, int channels, std::size_t count, u8* const out[3]) {
  const std::size_t wide = channels == 3 ? simd_deinterleave(row, count, out) : 0;
  const std::size_t step = static_cast<std::size_t>(channels);
  for (std::size_t c = 0; c < step; ++c) {
    for (std::size_t x = wide; x < count; ++x) out[c][x] = row[x * step + c];
  }
}

void interleave(const u8* const rows[3], std::size_t count, u8* out) {
  for (std::size_t x = simd_interleave(rows, count, out); x < count; ++x) {
    for (std::size_t c = 0; c < 3; ++c) out[3 * x + c] = rows[c][x];
  }
}

inline i32 rounded_product(i32 value, i32 by) { return (value * by + (1 << 14)) >> 15; }

inline u8 to_byte(i32 value) {
  value >>= 6;
  return static_cast<u8>(value < 0 ? 0 : value > 255 ? 255 : value);
}

void yuv_to_bgr(const u8* y, const u8* u, const u8* v, int luma_step, int chroma_step,
                std::size_t count, u8* const bgr[3]) {
  for (std::size_t x = simd_yuv_to_bgr(y, u, v, luma_step, chroma_step, count, bgr); x < count;
       ++x) {
    const std::size_t pair = x / 2 * static_cast<std::size_t>(chroma_step);
    const i32 bright = y[x * static_cast<std::size_t>(luma_step)] - 16;
    const i32 luma = rounded_product((bright < 0 ? 0 : bright) * 128, kLuma) + 32;
    const i32 blue = (u[pair] - 128) * 256;
    const i32 red = (v[pair] - 128) * 256;
    bgr[0][x] = to_byte(luma + rounded_product(blue, kBlue));
    bgr[1][x] = to_byte(luma - rounded_product(blue, kGreenU) - rounded_product(red, kGreenV));
    bgr[2][x] = to_byte(luma + rounded_product(red, kRed));
  }
}

void to_int8(u8* row, std::size_t count) {
  for (std::size_t x = 0; x < count; ++x) row[x] ^= 0x80;
}

void normalize(const u8* row, std::size_t count, float mean, float scale, float* out) {
  for (std::size_t x = 0; x < count; ++x) {
    out[x] = (static_cast<float>(row[x]) - mean) * scale;
  }
}

// A multiple of three vectors at a time, so that every lane keeps its channel.
void normalize_pixels(const u8* row, std::size_t count, const float mean[3], const float scale[3],
                      float* out) {
  constexpr std::size_t kStep = 24;
  float means[kStep], scales[kStep];
  for (std::size_t i = 0; i < kStep; ++i) {
    means[i] = mean[i % 3];
    scales[i] = scale[i % 3];
  }
  std::size_t x = 0;
  for (; x + kStep <= 3 * count; x += kStep) {
    for (std::size_t i = 0; i < kStep; ++i) {
      out[x + i] = (static_cast<float>(row[x + i]) - means[i]) * scales[i];
    }
  }
  for (; x < 3 * count; ++x) {
    out[x] = (static_cast<float>(row[x]) - mean[x % 3]) * scale[x % 3];
  }
}
