// 32 pixels at a time: each 128-bit lane holds 16 of them, 48 bytes interleaved.

// Byte b of 48 interleaved bytes belongs to channel b % 3. 16 mod 3 = 1, so at every position of
// three registers each channel occurs exactly once: two blends collect a channel, one shuffle
// orders it.
struct Interleaving {
  u8 owner[3][3][16];  // [channel][register]: 0x80 where its byte belongs to the channel
  u8 gather[3][16];    // [channel]: from collected to ordered
  u8 scatter[3][16];   // [channel]: from ordered to collected
};

constexpr Interleaving interleaving() {
  Interleaving t{};
  for (int c = 0; c < 3; ++c) {
    for (int r = 0; r < 3; ++r) {
      for (int i = 0; i < 16; ++i) t.owner[c][r][i] = (16 * r + i) % 3 == c ? 0x80 : 0;
    }
    for (int x = 0; x < 16; ++x) {
      const int at = (3 * x + c) % 16;
      t.gather[c][x] = static_cast<u8>(at);
      t.scatter[c][at] = static_cast<u8>(x);
    }
  }
  return t;
}

constexpr Interleaving kInterleaving = interleaving();

inline __m256i twice(const u8* table) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
}

inline __m256i load_lanes(const u8* low, const u8* high) {
  const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(low));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(a),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
}

inline void store_lanes(__m256i value, u8* low, u8* high) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(low), _mm256_castsi256_si128(value));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(high), _mm256_extracti128_si256(value, 1));
}

// `Lanes` is the channels of 32 pixels.
struct Lanes {
  __m256i channel[3];
};

inline Lanes split_lanes(const u8* pixels) {
  const __m256i a = load_lanes(pixels, pixels + 48);
  const __m256i b = load_lanes(pixels + 16, pixels + 64);
  const __m256i c = load_lanes(pixels + 32, pixels + 80);
  Lanes out;
  for (int i = 0; i < 3; ++i) {
    const __m256i ab = _mm256_blendv_epi8(a, b, twice(kInterleaving.owner[i][1]));
    const __m256i all = _mm256_blendv_epi8(ab, c, twice(kInterleaving.owner[i][2]));
    out.channel[i] = _mm256_shuffle_epi8(all, twice(kInterleaving.gather[i]));
  }
  return out;
}

inline void join_lanes(const Lanes& lanes, u8* pixels) {
  __m256i spread[3];
  for (int i = 0; i < 3; ++i) {
    spread[i] = _mm256_shuffle_epi8(lanes.channel[i], twice(kInterleaving.scatter[i]));
  }
  for (int r = 0; r < 3; ++r) {
    const __m256i ab = _mm256_blendv_epi8(spread[0], spread[1], twice(kInterleaving.owner[1][r]));
    const __m256i all = _mm256_blendv_epi8(ab, spread[2], twice(kInterleaving.owner[2][r]));
    store_lanes(all, pixels + 16 * r, pixels + 48 + 16 * r);
  }
}

inline void store(u8* to, __m256i value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value);
}

std::size_t simd_deinterleave(const u8* row, std::size_t count, u8* const out[3]) {
  std::size_t x = 0;
  for (; x + 32 <= count; x += 32) {
    const Lanes lanes = split_lanes(row + 3 * x);
    for (int c = 0; c < 3; ++c) store(out[c] + x, lanes.channel[c]);
  }
  return x;
}

std::size_t simd_interleave(const u8* const rows[3], std::size_t count, u8* out) {
  std::size_t x = 0;
  for (; x + 32 <= count; x += 32) {
    Lanes lanes;
    for (int c = 0; c < 3; ++c) {
      lanes.channel[c] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[c] + x));
    }
    join_lanes(lanes, out + 3 * x);
  }
  return x;
}

// 16 sums of two neighbors each, of 32 bytes.
inline __m256i pair_sums(__m256i bytes) { return _mm256_maddubs_epi16(bytes, _mm256_set1_epi8(1)); }

inline Lanes load_pixels(const u8* row, int channels) {
  if (channels == 3) return split_lanes(row);
  Lanes out{};
  out.channel[0] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row));
  return out;
}

std::size_t simd_downsample_2x(const u8* top, const u8* bottom, int channels, std::size_t count,
                               u8* const out[3]) {
  const __m256i two = _mm256_set1_epi16(2);
  const std::size_t step = 2 * static_cast<std::size_t>(channels);
  std::size_t x = 0;
  for (; x + 16 <= count; x += 16) {
    const Lanes a = load_pixels(top + step * x, channels);
    const Lanes b = load_pixels(bottom + step * x, channels);
    for (int c = 0; c < channels; ++c) {
      const __m256i total = _mm256_add_epi16(pair_sums(a.channel[c]), pair_sums(b.channel[c]));
      const __m256i mean = _mm256_srli_epi16(_mm256_add_epi16(total, two), 2);
      const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(mean, mean), 0x08);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out[c] + x), _mm256_castsi256_si128(bytes));
    }
  }
  return x;
}

// Two neighboring pixels, 6 bytes, of two columns. Reads 8 bytes at each.
inline __m128i load_taps(const u8* first, const u8* second) {
  const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(first));
  return _mm_castps_si128(
      _mm_loadh_pi(_mm_castsi128_ps(low), reinterpret_cast<const __m64*>(second)));
}

inline __m256i join_halves(__m128i low, __m128i high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

inline __m256i mix(__m256i taps, __m256i weights) {
  return _mm256_srai_epi32(_mm256_madd_epi16(taps, weights), 4);
}

// Eight columns at a time. Registers hold columns 0 1 | 4 5 and 2 3 | 6 7, so that packing within
// lanes leaves them in order.
std::size_t simd_hresize(const u8* row, const Columns& columns, i16* const out[3]) {
  // Of two columns: channels 0 and 1, each as pairs of taps, widened to 16 bits.
  const __m256i first_two = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, -1, 3, -1, 8, -1, 11, -1, 1, -1, 4, -1, 9, -1, 12, -1));
  const __m256i third = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(2, -1, 5, -1, 10, -1, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  std::size_t x = 0;
  for (; x + 8 <= columns.simd_count; x += 8) {
    const i32* left = columns.left + x;
    const auto at = [&](int i) { return row + left[i]; };
    const __m256i a = join_halves(load_taps(at(0), at(1)), load_taps(at(4), at(5)));
    const __m256i b = join_halves(load_taps(at(2), at(3)), load_taps(at(6), at(7)));
    const __m256i weights =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(columns.weights + 2 * x));
    const __m256i weights_a = _mm256_unpacklo_epi64(weights, weights);
    const __m256i weights_b = _mm256_unpackhi_epi64(weights, weights);
    const __m256i mixed_a = mix(_mm256_shuffle_epi8(a, first_two), weights_a);
    const __m256i mixed_b = mix(_mm256_shuffle_epi8(b, first_two), weights_b);
    const __m256i mixed_third =
        mix(_mm256_unpacklo_epi64(_mm256_shuffle_epi8(a, third), _mm256_shuffle_epi8(b, third)),
            weights);
    const __m256i zeroth = _mm256_unpacklo_epi64(mixed_a, mixed_b);
    const __m256i first = _mm256_unpackhi_epi64(mixed_a, mixed_b);
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(zeroth, first), 0xD8);
    const __m256i last =
        _mm256_permute4x64_epi64(_mm256_packs_epi32(mixed_third, mixed_third), 0xD8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out[0] + x), _mm256_castsi256_si128(both));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out[1] + x), _mm256_extracti128_si256(both, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out[2] + x), _mm256_castsi256_si128(last));
  }
  return x;
}

std::size_t simd_vresize(const i16* a, const i16* b, int weight_a, int weight_b, std::size_t count,
                         u8* out) {
  const __m256i by_a = _mm256_set1_epi16(static_cast<i16>(weight_a));
  const __m256i by_b = _mm256_set1_epi16(static_cast<i16>(weight_b));
  const __m256i two = _mm256_set1_epi16(2);
  const auto half = [&](std::size_t x) {
    const __m256i p = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + x));
    const __m256i q = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + x));
    const __m256i mixed =
        _mm256_add_epi16(_mm256_mulhi_epi16(p, by_a), _mm256_mulhi_epi16(q, by_b));
    return _mm256_srai_epi16(_mm256_add_epi16(mixed, two), 2);
  };
  std::size_t x = 0;
  for (; x + 32 <= count; x += 32) {
    store(out + x, _mm256_permute4x64_epi64(_mm256_packus_epi16(half(x), half(x + 16)), 0xD8));
  }
  return x;
}

inline __m256i load_bytes(const u8* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// Chroma as 16-bit numbers, 128 taken off and times 256.
struct Chroma {
  __m256i blue, red;
};

inline Chroma centered(__m256i blue, __m256i red) {  // in the upper bytes; 0 below
  const __m256i middle = _mm256_set1_epi16(-32768);
  return {_mm256_xor_si256(blue, middle), _mm256_xor_si256(red, middle)};
}

inline Chroma split_chroma(__m256i pairs) {  // u v u v
  return centered(_mm256_slli_epi16(pairs, 8), _mm256_and_si256(pairs, _mm256_set1_epi16(-256)));
}

inline __m256i widen(const u8* from) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 8);
}

// 32 pixels of one channel. Unpacking within lanes gives pixels 0-7 | 16-23 and 8-15 | 24-31,
// packing puts them back; the sixteen chroma pairs follow suit.
inline __m256i shade(const __m256i luma[2], __m256i chroma) {
  const __m256i low = _mm256_adds_epi16(luma[0], _mm256_unpacklo_epi16(chroma, chroma));
  const __m256i high = _mm256_adds_epi16(luma[1], _mm256_unpackhi_epi16(chroma, chroma));
  return _mm256_packus_epi16(_mm256_srai_epi16(low, 6), _mm256_srai_epi16(high, 6));
}

inline void to_bgr(__m256i y, const Chroma& chroma, u8* const bgr[3], std::size_t x) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i round = _mm256_set1_epi16(32);
  const __m256i bright = _mm256_subs_epu8(y, _mm256_set1_epi8(16));
  const auto lit = [&](__m256i upper) {
    const __m256i by = _mm256_set1_epi16(kLuma);
    return _mm256_add_epi16(_mm256_mulhrs_epi16(_mm256_srli_epi16(upper, 1), by), round);
  };
  const __m256i luma[2] = {lit(_mm256_unpacklo_epi8(zero, bright)),
                           lit(_mm256_unpackhi_epi8(zero, bright))};
  const auto times = [](__m256i value, i16 by) {
    return _mm256_mulhrs_epi16(value, _mm256_set1_epi16(by));
  };
  const __m256i green = _mm256_add_epi16(times(chroma.blue, kGreenU), times(chroma.red, kGreenV));
  store(bgr[0] + x, shade(luma, times(chroma.blue, kBlue)));
  store(bgr[1] + x, shade(luma, _mm256_sub_epi16(zero, green)));
  store(bgr[2] + x, shade(luma, times(chroma.red, kRed)));
}

std::size_t simd_yuv_to_bgr(const u8* y, const u8* u, const u8* v, int luma_step, int chroma_step,
                            std::size_t count, u8* const bgr[3]) {
  std::size_t x = 0;
  if (luma_step == 2) {  // y u y v
    const __m256i low = _mm256_set1_epi16(255);
    const auto packed = [](__m256i a, __m256i b) {
      return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xD8);
    };
    for (; x + 32 <= count; x += 32) {
      const __m256i a = load_bytes(y + 2 * x);
      const __m256i b = load_bytes(y + 2 * x + 32);
      const __m256i bright = packed(_mm256_and_si256(a, low), _mm256_and_si256(b, low));
      const __m256i pairs = packed(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
      to_bgr(bright, split_chroma(pairs), bgr, x);
    }
  } else if (chroma_step == 2) {
    for (; x + 32 <= count; x += 32) {
      to_bgr(load_bytes(y + x), split_chroma(load_bytes(u + x)), bgr, x);
    }
  } else {
    for (; x + 32 <= count; x += 32) {
      to_bgr(load_bytes(y + x), centered(widen(u + x / 2), widen(v + x / 2)), bgr, x);
    }
  }
  return x;
}
