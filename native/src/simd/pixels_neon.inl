// aarch64: 16 pixels at a time, with the structure loads and stores.

std::size_t simd_deinterleave(const u8* row, std::size_t count, u8* const out[3]) {
  std::size_t x = 0;
  for (; x + 16 <= count; x += 16) {
    const uint8x16x3_t pixels = vld3q_u8(row + 3 * x);
    for (int c = 0; c < 3; ++c) vst1q_u8(out[c] + x, pixels.val[c]);
  }
  return x;
}

std::size_t simd_interleave(const u8* const rows[3], std::size_t count, u8* out) {
  std::size_t x = 0;
  for (; x + 16 <= count; x += 16) {
    uint8x16x3_t pixels;
    for (int c = 0; c < 3; ++c) pixels.val[c] = vld1q_u8(rows[c] + x);
    vst3q_u8(out + 3 * x, pixels);
  }
  return x;
}

std::size_t simd_downsample_2x(const u8* top, const u8* bottom, int channels, std::size_t count,
                               u8* const out[3]) {
  const auto mean = [](uint8x16_t a, uint8x16_t b) {
    return vrshrn_n_u16(vpadalq_u8(vpaddlq_u8(a), b), 2);
  };
  std::size_t x = 0;
  for (; x + 8 <= count && channels == 1; x += 8) {
    vst1_u8(out[0] + x, mean(vld1q_u8(top + 2 * x), vld1q_u8(bottom + 2 * x)));
  }
  for (; x + 8 <= count && channels == 3; x += 8) {
    const uint8x16x3_t a = vld3q_u8(top + 6 * x);
    const uint8x16x3_t b = vld3q_u8(bottom + 6 * x);
    for (int c = 0; c < 3; ++c) vst1_u8(out[c] + x, mean(a.val[c], b.val[c]));
  }
  return x;
}

// Eight columns at a time. Four registers hold their 6 bytes each (8 are read); a table look-up
// collects one channel: eight first taps, then eight second ones. The weights add up to 2048, so
// (p * (2048 - w) + q * w) >> 4 is p * 128 + (((p - q) * 128 * (-16 * w)) >> 15), which the
// doubling multiply computes in 16 bits: -16 * w is at least -32768, where 16 * w could be one too
// many.
std::size_t simd_hresize(const u8* row, const Columns& columns, i16* const out[3]) {
  const u8 order[16] = {0, 8, 16, 24, 32, 40, 48, 56, 3, 11, 19, 27, 35, 43, 51, 59};
  const uint8x16_t gather = vld1q_u8(order);
  // Copies: what is stored may lie anywhere, so these would be read again each time.
  const Columns all = columns;
  i16* const to[3] = {out[0], out[1], out[2]};
  std::size_t x = 0;
  for (; x + 8 <= all.simd_count; x += 8) {
    const i32* left = all.left + x;
    const auto at = [&](int i) { return vld1_u8(row + left[i]); };
    uint8x16x4_t taps;
    for (int i = 0; i < 4; ++i) taps.val[i] = vcombine_u8(at(2 * i), at(2 * i + 1));
    const int16x8_t weight = vmulq_n_s16(vld2q_s16(all.weights + 2 * x).val[1], -16);
    for (int c = 0; c < 3; ++c) {
      const uint8x16_t bytes = vqtbl4q_u8(taps, vaddq_u8(gather, vdupq_n_u8(static_cast<u8>(c))));
      const int16x8_t p = vreinterpretq_s16_u16(vshll_n_u8(vget_low_u8(bytes), 7));
      const int16x8_t q = vreinterpretq_s16_u16(vshll_high_n_u8(bytes, 7));
      vst1q_s16(to[c] + x, vaddq_s16(p, vqdmulhq_s16(vsubq_s16(p, q), weight)));
    }
  }
  return x;
}

// The high half of a product is that of the doubling multiply without its last bit.
std::size_t simd_vresize(const i16* a, const i16* b, int weight_a, int weight_b, std::size_t count,
                         u8* out) {
  const auto half = [&](std::size_t x) {
    const int16x8_t mixed =
        vsraq_n_s16(vshrq_n_s16(vqdmulhq_n_s16(vld1q_s16(a + x), static_cast<i16>(weight_a)), 1),
                    vqdmulhq_n_s16(vld1q_s16(b + x), static_cast<i16>(weight_b)), 1);
    return vqrshrun_n_s16(mixed, 2);
  };
  std::size_t x = 0;
  for (; x + 16 <= count; x += 16) vst1q_u8(out + x, vcombine_u8(half(x), half(x + 8)));
  return x;
}

// 128 taken off, times 256.
inline int16x8_t centered(uint8x8_t chroma) {
  return vreinterpretq_s16_u16(veorq_u16(vshll_n_u8(chroma, 8), vdupq_n_u16(0x8000)));
}

// 16 pixels of one channel.
inline uint8x16_t shade(const int16x8_t luma[2], int16x8_t chroma) {
  const int16x8_t low = vqaddq_s16(luma[0], vzip1q_s16(chroma, chroma));
  const int16x8_t high = vqaddq_s16(luma[1], vzip2q_s16(chroma, chroma));
  return vcombine_u8(vqshrun_n_s16(low, 6), vqshrun_n_s16(high, 6));
}

std::size_t simd_yuv_to_bgr(const u8* y, const u8* u, const u8* v, int luma_step, int chroma_step,
                            std::size_t count, u8* const bgr[3]) {
  const auto lit = [](uint8x8_t bright) {
    const int16x8_t value = vreinterpretq_s16_u16(vshll_n_u8(bright, 7));
    return vaddq_s16(vqrdmulhq_n_s16(value, kLuma), vdupq_n_s16(32));
  };
  std::size_t x = 0;
  for (; x + 16 <= count; x += 16) {
    uint8x16_t bright;
    uint8x8_t chroma[2];
    if (luma_step == 2) {  // y u y v
      const uint8x8x4_t quads = vld4_u8(y + 2 * x);
      bright =
          vcombine_u8(vzip1_u8(quads.val[0], quads.val[2]), vzip2_u8(quads.val[0], quads.val[2]));
      chroma[0] = quads.val[1];
      chroma[1] = quads.val[3];
    } else {
      bright = vld1q_u8(y + x);
      if (chroma_step == 2) {
        const uint8x8x2_t pairs = vld2_u8(u + x);
        chroma[0] = pairs.val[0];
        chroma[1] = pairs.val[1];
      } else {
        chroma[0] = vld1_u8(u + x / 2);
        chroma[1] = vld1_u8(v + x / 2);
      }
    }
    bright = vqsubq_u8(bright, vdupq_n_u8(16));
    const int16x8_t luma[2] = {lit(vget_low_u8(bright)), lit(vget_high_u8(bright))};
    const int16x8_t blue = centered(chroma[0]);
    const int16x8_t red = centered(chroma[1]);
    const int16x8_t green =
        vaddq_s16(vqrdmulhq_n_s16(blue, kGreenU), vqrdmulhq_n_s16(red, kGreenV));
    vst1q_u8(bgr[0] + x, shade(luma, vqrdmulhq_n_s16(blue, kBlue)));
    vst1q_u8(bgr[1] + x, shade(luma, vnegq_s16(green)));
    vst1q_u8(bgr[2] + x, shade(luma, vqrdmulhq_n_s16(red, kRed)));
  }
  return x;
}
