// Vectors by the compiler's own extension: `+ - * > ? :` work element by element.
// Only what the extension lacks is written per instruction set, here.

#if defined(__AVX2__)
#define EDGE_VECTOR_BYTES 32
#else
#define EDGE_VECTOR_BYTES 16
#endif

// `Vec<T>::type` is a register of T, `memory` the same at any address, `index` an integer of the
// same width, which counts up to `most`.
template <class T>
struct Vec;

#define EDGE_VEC(T, I, MOST)                                                             \
  template <>                                                                            \
  struct Vec<T> {                                                                        \
    typedef T type __attribute__((vector_size(EDGE_VECTOR_BYTES)));                      \
    typedef T memory                                                                     \
        __attribute__((vector_size(EDGE_VECTOR_BYTES), aligned(alignof(T)), may_alias)); \
    typedef I index;                                                                     \
    static constexpr I most = MOST;                                                      \
    static constexpr std::size_t lanes = EDGE_VECTOR_BYTES / sizeof(T);                  \
  };
EDGE_VEC(float, i32, 0x7fffffff)
EDGE_VEC(i32, i32, 0x7fffffff)
EDGE_VEC(i8, i8, 127)
EDGE_VEC(u8, i8, 127)
#undef EDGE_VEC

template <class T>
inline typename Vec<T>::type load(const T* from) {
  return *reinterpret_cast<const typename Vec<T>::memory*>(from);
}

template <class T>
inline void store(T* to, typename Vec<T>::type value) {
  *reinterpret_cast<typename Vec<T>::memory*>(to) = value;
}

template <class T>
inline typename Vec<T>::type splat(T value) {
  typename Vec<T>::type out;
  for (std::size_t i = 0; i < Vec<T>::lanes; ++i) out[i] = value;
  return out;
}

// The greater of each pair; `b` where they do not compare, so a `b` that is a number stays one.
template <class V>
inline V greater(V a, V b) {
  return a > b ? a : b;
}

template <class V>
inline V lesser(V a, V b) {
  return a < b ? a : b;
}

// Whether any lane of a comparison holds.
template <class M>
inline bool any(M mask) {
#if defined(__AVX2__)
  return _mm256_movemask_epi8(reinterpret_cast<__m256i>(mask)) != 0;
#elif defined(__SSE2__)
  return _mm_movemask_epi8(reinterpret_cast<__m128i>(mask)) != 0;
#elif defined(EDGE_NEON)
  return vmaxvq_u32(reinterpret_cast<uint32x4_t>(mask)) != 0;
#else
  typedef unsigned long long Halves __attribute__((vector_size(EDGE_VECTOR_BYTES)));
  const Halves halves = reinterpret_cast<Halves>(mask);
  return (halves[0] | halves[1]) != 0;
#endif
}

// The first lane of which a comparison holds, of those where one does.
template <class M>
inline std::size_t first_of(M mask) {
  [[maybe_unused]] constexpr std::size_t kSize = sizeof(mask[0]);
#if defined(__AVX2__)
  const auto bits = static_cast<unsigned>(_mm256_movemask_epi8(reinterpret_cast<__m256i>(mask)));
  return static_cast<std::size_t>(__builtin_ctz(bits)) / kSize;
#elif defined(__SSE2__)
  const auto bits = static_cast<unsigned>(_mm_movemask_epi8(reinterpret_cast<__m128i>(mask)));
  return static_cast<std::size_t>(__builtin_ctz(bits)) / kSize;
#elif defined(EDGE_NEON)
  // Half of each byte: 64 bits, four for each.
  const uint8x8_t halves = vshrn_n_u16(reinterpret_cast<uint16x8_t>(mask), 4);
  const auto bits = vget_lane_u64(vreinterpret_u64_u8(halves), 0);
  return static_cast<std::size_t>(__builtin_ctzll(bits)) / 4 / kSize;
#else
  std::size_t i = 0;
  while (mask[i] == 0) ++i;
  return i;
#endif
}
