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
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;

// How to interpolate along a row. Column x mixes the pixel that begins at byte `left[x]` and the
// next one by `weights[2x]` and `weights[2x + 1]`, which add up to 2048.
struct Columns {
  const i32* left;
  const i16* weights;
  std::size_t count;
  std::size_t simd_count;  // of these, reading 8 bytes at the left pixel stays inside the row
};

// The scores of `classes` x `points`; rows have channel_stride 1, planes point_stride 1.
// A point is found when its greatest score (times its objectness, with `multiply`) is at least
// `at_least` and its objectness, if there is any, at least `objectness_at_least`.
template <class T>
struct Scan {
  const T* scores;
  std::ptrdiff_t channel_stride;
  std::ptrdiff_t point_stride;
  std::size_t points;
  std::size_t classes;
  T at_least;
  const T* objectness;
  std::ptrdiff_t objectness_stride;
  T objectness_at_least;
  bool multiply;
};

struct Found {
  i32 point;
  i32 class_id;  // the lowest with the greatest score
};

struct Boxes {
  const float *x1, *y1, *x2, *y2;
};

// The kept boxes, each group a list of its own: group g starts at first[g], a multiple of eight,
// and has room for all of its boxes rounded up to eight, and eight more.
struct Groups {
  float *x1, *y1, *x2, *y2, *area;
  const std::size_t* first;
  std::size_t* count;
};

struct Kernels {
  // The number of points found; `found` has room for all.
  std::size_t (*scan_rows_f32)(const Scan<float>& scan, Found* found);
  std::size_t (*scan_rows_i8)(const Scan<i8>& scan, Found* found);
  std::size_t (*scan_rows_u8)(const Scan<u8>& scan, Found* found);
  std::size_t (*scan_planes_f32)(const Scan<float>& scan, Found* found);
  std::size_t (*scan_planes_i8)(const Scan<i8>& scan, Found* found);
  std::size_t (*scan_planes_u8)(const Scan<u8>& scan, Found* found);
  // The number of boxes kept, at most `most`, taken in `order`; `kept` gets their indices.
  std::size_t (*suppress)(const Boxes& boxes, const i32* order, const i32* group_of,
                          std::size_t count, Groups& groups, float iou_threshold, std::size_t most,
                          i32* kept);
  // One row interpolated: out[c][x] = the mix of channel c, times 128.
  void (*hresize)(const u8* row, int channels, const Columns& columns, i16* const out[3]);
  // Two such rows: out[x] = a[x] * weight_a + b[x] * weight_b, rounded to a pixel.
  void (*vresize)(const i16* a, const i16* b, int weight_a, int weight_b, std::size_t count,
                  u8* out);
  // Half size: the rounded mean of 2 x 2 pixels.
  void (*downsample_2x)(const u8* top, const u8* bottom, int channels, std::size_t count,
                        u8* const out[3]);
  // One row of interleaved pixels into `channels` planes.
  void (*deinterleave)(const u8* row, int channels, std::size_t count, u8* const out[3]);
  // Three planes into one row of interleaved pixels.
  void (*interleave)(const u8* const rows[3], std::size_t count, u8* out);
  // One row of YUV into planes of B, G, R. Two neighbors share a chroma; steps are bytes to the
  // next luma and to the next chroma: 1 and 1 (I420), 1 and 2 (NV12, v = u + 1), 2 and 4 (YUYV, of
  // one row).
  void (*yuv_to_bgr)(const u8* y, const u8* u, const u8* v, int luma_step, int chroma_step,
                     std::size_t count, u8* const bgr[3]);
  // Pixels to int8: the same as subtracting 128.
  void (*to_int8)(u8* row, std::size_t count);
  // out = (pixel - mean) * scale; one channel, or three interleaved.
  void (*normalize)(const u8* row, std::size_t count, float mean, float scale, float* out);
  void (*normalize_pixels)(const u8* row, std::size_t count, const float mean[3],
                           const float scale[3], float* out);
  // The least and the greatest of the finite values; +inf and -inf when there are none.
  void (*value_range)(const float* values, std::size_t count, float* low, float* high);
};

#if defined(EDGE_HAVE_SCALAR)
const Kernels& scalar();
#endif
const Kernels& baseline();
#if defined(EDGE_HAVE_AVX2)
const Kernels& avx2();
#endif

const Kernels& kernels(Target target);

}  // namespace edge::simd
