// The least and the greatest of the finite values.

void value_range(const float* values, std::size_t count, float* low, float* high) {
  using V = Vec<float>::type;
  constexpr std::size_t kStep = Vec<float>::lanes;
  constexpr float kMost = 3.402823466e38f;
  float least = __builtin_inff();
  float most = -__builtin_inff();
  const auto look = [&](float value) {
    const bool finite = value >= -kMost && value <= kMost;
    least = finite && value < least ? value : least;
    most = finite && value > most ? value : most;
  };
  std::size_t i = 0;
  if (count >= 4 * kStep) {
    V lows[4], highs[4];
    const V none_up = splat<float>(-__builtin_inff()), none_down = splat<float>(__builtin_inff());
    for (V& v : lows) v = none_down;
    for (V& v : highs) v = none_up;
    const V bottom = splat<float>(-kMost), top = splat<float>(kMost);
    for (; i + 4 * kStep <= count; i += 4 * kStep) {
      for (std::size_t k = 0; k < 4; ++k) {
        const V v = load(values + i + k * kStep);
        const V up = v <= top ? v : none_up;
        const V down = v >= bottom ? v : none_down;
        highs[k] = greater(up, highs[k]);
        lows[k] = lesser(down, lows[k]);
      }
    }
    for (std::size_t k = 0; k < 4; ++k) {
      for (std::size_t lane = 0; lane < kStep; ++lane) {
        look(highs[k][lane]);
        look(lows[k][lane]);
      }
    }
  }
  for (; i < count; ++i) look(values[i]);
  *low = least;
  *high = most;
}
