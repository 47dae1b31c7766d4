// For targets without byte shuffles: everything is left to the plain loops.

std::size_t simd_hresize(const u8*, const Columns&, i16* const*) { return 0; }
std::size_t simd_vresize(const i16*, const i16*, int, int, std::size_t, u8*) { return 0; }
std::size_t simd_downsample_2x(const u8*, const u8*, int, std::size_t, u8* const*) { return 0; }
std::size_t simd_deinterleave(const u8*, std::size_t, u8* const*) { return 0; }
std::size_t simd_interleave(const u8* const*, std::size_t, u8*) { return 0; }
std::size_t simd_yuv_to_bgr(const u8*, const u8*, const u8*, int, int, std::size_t, u8* const*) {
  return 0;
}
