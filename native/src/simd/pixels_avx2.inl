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
    const __m256i ab =
        _mm256_blendv_epi8(spread[0], spread[1], twice(kInterleaving.owner[1][r]));
    const __m256i all = _mm256_blendv_epi8(ab, spread[2], twice(kInterleaving.owner[2][r]));
    store_lanes(all, pixels + 16 * r, pixels + 48 + 16 * r);
  }
}

inline void store(u8* to, __m256i value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value);
}

std::size_t wide_split(const u8* row, std::size_t count, u8* const out[3]) {
  std::size_t x = 0;
  for (; x + 32 <= count; x += 32) {
    const Lanes lanes = split_lanes(row + 3 * x);
    for (int c = 0; c < 3; ++c) store(out[c] + x, lanes.channel[c]);
  }
  return x;
}

std::size_t wide_join(const u8* const rows[3], std::size_t count, u8* out) {
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

// 16 sums of two neighbours each, of 32 bytes.
inline __m256i pair_sums(__m256i bytes) {
  return _mm256_maddubs_epi16(bytes, _mm256_set1_epi8(1));
}

std::size_t wide_halve(const u8* top, const u8* bottom, std::size_t count, u8* const out[3]) {
  const __m256i two = _mm256_set1_epi16(2);
  std::size_t x = 0;
  for (; x + 16 <= count; x += 16) {
    const Lanes a = split_lanes(top + 6 * x);
    const Lanes b = split_lanes(bottom + 6 * x);
    for (int c = 0; c < 3; ++c) {
      const __m256i total = _mm256_add_epi16(pair_sums(a.channel[c]), pair_sums(b.channel[c]));
      const __m256i mean = _mm256_srli_epi16(_mm256_add_epi16(total, two), 2);
      const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(mean, mean), 0x08);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out[c] + x), _mm256_castsi256_si128(bytes));
    }
  }
  return x;
}

// Two neighbouring pixels, 6 bytes, of two columns. Reads 8 bytes at each.
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
std::size_t wide_mix_columns(const u8* row, const Columns& columns, i16* const out[3]) {
  // Of two columns: channels 0 and 1, each as pairs of taps, widened to 16 bits.
  const __m256i first_two = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, -1, 3, -1, 8, -1, 11, -1, 1, -1, 4, -1, 9, -1, 12, -1));
  const __m256i third = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(2, -1, 5, -1, 10, -1, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  std::size_t x = 0;
  for (; x + 8 <= columns.wide_count; x += 8) {
    const i32* left = columns.left + x;
    const auto at = [&](int i) { return row + 3 * static_cast<std::ptrdiff_t>(left[i]); };
    const __m256i a = join_halves(load_taps(at(0), at(1)), load_taps(at(4), at(5)));
    const __m256i b = join_halves(load_taps(at(2), at(3)), load_taps(at(6), at(7)));
    const __m256i weights =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(columns.weights + 2 * x));
    const __m256i weights_a = _mm256_unpacklo_epi64(weights, weights);
    const __m256i weights_b = _mm256_unpackhi_epi64(weights, weights);
    const __m256i mixed_a = mix(_mm256_shuffle_epi8(a, first_two), weights_a);
    const __m256i mixed_b = mix(_mm256_shuffle_epi8(b, first_two), weights_b);
    const __m256i mixed_third = mix(
        _mm256_unpacklo_epi64(_mm256_shuffle_epi8(a, third), _mm256_shuffle_epi8(b, third)),
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

std::size_t wide_mix_rows(const i16* a, const i16* b, int weight_a, int weight_b,
                          std::size_t count, u8* out) {
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

// A 21-bit coefficient times an 8-bit value by one multiply-add of 16-bit pairs: the value meets
// the low seven bits, the value times 128 the rest.
inline __m256i coefficient(i32 value) {
  return _mm256_set1_epi32((value & 127) | (value >> 7) << 16);
}

inline __m256i pairs_low(__m256i value) {
  return _mm256_unpacklo_epi16(value, _mm256_slli_epi16(value, 7));
}

inline __m256i pairs_high(__m256i value) {
  return _mm256_unpackhi_epi16(value, _mm256_slli_epi16(value, 7));
}

// 16 pixels of one channel: two luma registers of 8 (rounding included), chroma of 8 pairs.
inline __m256i shade(__m256i luma_low, __m256i luma_high, __m256i chroma) {
  const __m256i low = _mm256_add_epi32(luma_low, _mm256_unpacklo_epi32(chroma, chroma));
  const __m256i high = _mm256_add_epi32(luma_high, _mm256_unpackhi_epi32(chroma, chroma));
  return _mm256_packs_epi32(_mm256_srai_epi32(low, 20), _mm256_srai_epi32(high, 20));
}

// 32 pixels. Everything stays in the order that unpacking within lanes gives, and packing
// takes back.
inline Lanes to_bgr(__m256i y, __m128i u_bytes, __m128i v_bytes) {
  const __m256i middle = _mm256_set1_epi16(128);
  const __m256i zero = _mm256_setzero_si256();
  const __m256i round = _mm256_set1_epi32(kRound);
  const __m256i bright = _mm256_subs_epu8(y, _mm256_set1_epi8(16));
  const __m256i u = _mm256_sub_epi16(_mm256_cvtepu8_epi16(u_bytes), middle);
  const __m256i v = _mm256_sub_epi16(_mm256_cvtepu8_epi16(v_bytes), middle);
  __m256i half[2][3];
  for (int i = 0; i < 2; ++i) {
    const __m256i luma =
        i == 0 ? _mm256_unpacklo_epi8(bright, zero) : _mm256_unpackhi_epi8(bright, zero);
    const __m256i by = coefficient(kLuma);
    const __m256i low = _mm256_add_epi32(_mm256_madd_epi16(pairs_low(luma), by), round);
    const __m256i high = _mm256_add_epi32(_mm256_madd_epi16(pairs_high(luma), by), round);
    const __m256i blue = i == 0 ? pairs_low(u) : pairs_high(u);
    const __m256i red = i == 0 ? pairs_low(v) : pairs_high(v);
    const __m256i green = _mm256_add_epi32(_mm256_madd_epi16(blue, coefficient(kGreenU)),
                                           _mm256_madd_epi16(red, coefficient(kGreenV)));
    half[i][0] = shade(low, high, _mm256_madd_epi16(blue, coefficient(kBlue)));
    half[i][1] = shade(low, high, _mm256_sub_epi32(zero, green));
    half[i][2] = shade(low, high, _mm256_madd_epi16(red, coefficient(kRed)));
  }
  Lanes out;
  for (int c = 0; c < 3; ++c) out.channel[c] = _mm256_packus_epi16(half[0][c], half[1][c]);
  return out;
}

// The even bytes of 64, in order.
inline __m256i even_bytes(__m256i a, __m256i b) {
  const __m256i mask = _mm256_set1_epi16(0xff);
  return _mm256_permute4x64_epi64(
      _mm256_packus_epi16(_mm256_and_si256(a, mask), _mm256_and_si256(b, mask)), 0xD8);
}

inline __m256i odd_bytes(__m256i a, __m256i b) {
  return even_bytes(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
}

inline __m256i load_bytes(const u8* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

std::size_t wide_convert(const u8* y, const u8* u, const u8* v, int luma_step, int chroma_step,
                         std::size_t count, u8* bgr) {
  const __m256i zero = _mm256_setzero_si256();
  std::size_t x = 0;
  for (; x + 32 <= count; x += 32) {
    __m256i bright;
    __m128i blue, red;
    if (luma_step == 2) {  // y u y v
      const __m256i a = load_bytes(y + 2 * x);
      const __m256i b = load_bytes(y + 2 * x + 32);
      bright = even_bytes(a, b);
      const __m256i chroma = odd_bytes(a, b);
      blue = _mm256_castsi256_si128(even_bytes(chroma, zero));
      red = _mm256_castsi256_si128(odd_bytes(chroma, zero));
    } else {
      bright = load_bytes(y + x);
      if (chroma_step == 2) {
        const __m256i chroma = load_bytes(u + x);
        blue = _mm256_castsi256_si128(even_bytes(chroma, zero));
        red = _mm256_castsi256_si128(odd_bytes(chroma, zero));
      } else {
        blue = _mm_loadu_si128(reinterpret_cast<const __m128i*>(u + x / 2));
        red = _mm_loadu_si128(reinterpret_cast<const __m128i*>(v + x / 2));
      }
    }
    join_lanes(to_bgr(bright, blue, red), bgr + 3 * x);
  }
  return x;
}
