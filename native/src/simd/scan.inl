// Which points have a class score of at least so much.

template <class T>
constexpr T kLowest = static_cast<T>(-1) < 0 ? static_cast<T>(-128) : static_cast<T>(0);
template <>
constexpr float kLowest<float> = -__builtin_inff();

// With `multiply`, scores count times the objectness. Codes cannot: their caller looks again.
inline float weighed(float score, float by) { return score * by; }
inline i8 weighed(i8 score, float) { return score; }
inline u8 weighed(u8 score, float) { return score; }

// The class of point `p` whose score equals `best`: the lowest, as it is searched from 0.
template <class T>
inline i32 class_of(const Scan<T>& scan, std::size_t p, T best) {
  const T* score = scan.scores + static_cast<std::ptrdiff_t>(p) * scan.point_stride;
  for (std::size_t c = 0; c < scan.classes; ++c, score += scan.channel_stride) {
    if (*score == best) return static_cast<i32>(c);
  }
  return 0;
}

// Classes side by side. A row is passed over by its objectness, then by its best class.
template <class T>
std::size_t scan_rows(const Scan<T>& scan, Found* found) {
  using V = typename Vec<T>::type;
  constexpr std::size_t kStep = Vec<T>::lanes;
  const std::size_t classes = scan.classes;
  const std::size_t whole = classes < kStep ? 0 : classes - kStep;
  const V at_least = all<T>(scan.at_least);
  std::size_t count = 0;
  const T* row = scan.scores;
  const T* objectness = scan.objectness;
  for (std::size_t p = 0; p < scan.points;
       ++p, row += scan.point_stride, objectness += scan.objectness_stride) {
    float by = 1;
    if (scan.objectness != nullptr) {
      if (!(*objectness >= scan.objectness_at_least)) continue;
      if (scan.multiply) by = static_cast<float>(*objectness);
    }
    T best = kLowest<T>;
    if (classes < kStep) {
      for (std::size_t c = 0; c < classes; ++c) best = row[c] > best ? row[c] : best;
    } else {
      V a = all<T>(kLowest<T>);
      V b = a;
      std::size_t c = 0;
      for (; c + kStep <= whole; c += 2 * kStep) {
        a = greater(load(row + c), a);
        b = greater(load(row + c + kStep), b);
      }
      if (c < whole) a = greater(load(row + c), a);
      a = greater(greater(load(row + whole), a), b);  // the last lanes, some for a second time
      if constexpr (sizeof(T) == sizeof(float)) {
        if (!any(a * by >= at_least)) continue;
      } else {
        if (!any(a >= at_least)) continue;
      }
      for (std::size_t i = 0; i < kStep; ++i) best = a[i] > best ? a[i] : best;
    }
    if (weighed(best, by) >= scan.at_least) {
      found[count++] = {static_cast<i32>(p), class_of(scan, p, best)};
    }
  }
  return count;
}

// One step of a running maximum over `planes` planes, `stride` apart.
template <class T, int planes, bool first>
inline void raise(const T* plane, std::ptrdiff_t stride, std::size_t points, T* best) {
  using V = typename Vec<T>::type;
  constexpr std::size_t kStep = Vec<T>::lanes;
  const auto step = [&](std::size_t p) {
    V most = first ? all<T>(kLowest<T>) : load(best + p);
    for (int c = 0; c < planes; ++c) most = greater(load(plane + c * stride + p), most);
    store(best + p, most);
  };
  if (points < kStep) {
    for (std::size_t p = 0; p < points; ++p) {
      T most = first ? kLowest<T> : best[p];
      for (int c = 0; c < planes; ++c) {
        const T score = plane[c * stride + static_cast<std::ptrdiff_t>(p)];
        most = score > most ? score : most;
      }
      best[p] = most;
    }
    return;
  }
  std::size_t p = 0;
  for (; p + kStep <= points; p += kStep) step(p);
  if (p < points) step(points - kStep);  // some for a second time: a maximum does not mind
}

// Points side by side, no objectness. Four planes at a time against a running maximum: long
// streams, which the memory system reads ahead.
template <class T>
std::size_t scan_dense_planes(const Scan<T>& scan, T* best, Found* found) {
  using V = typename Vec<T>::type;
  constexpr std::size_t kStep = Vec<T>::lanes;
  const T* plane = scan.scores;
  const std::ptrdiff_t stride = scan.channel_stride;
  std::size_t c = 0;
  if (scan.classes >= 4) {
    raise<T, 4, true>(plane, stride, scan.points, best);
    for (c = 4; c + 4 <= scan.classes; c += 4) {
      raise<T, 4, false>(plane + static_cast<std::ptrdiff_t>(c) * stride, stride, scan.points,
                         best);
    }
  } else {
    raise<T, 1, true>(plane, stride, scan.points, best);
    c = 1;
  }
  for (; c < scan.classes; ++c) {
    raise<T, 1, false>(plane + static_cast<std::ptrdiff_t>(c) * stride, stride, scan.points, best);
  }
  const V at_least = all<T>(scan.at_least);
  std::size_t count = 0;
  for (std::size_t p = 0; p < scan.points; p += kStep) {
    const std::size_t end = p + kStep < scan.points ? p + kStep : scan.points;
    if (end == p + kStep && !any(load(best + p) >= at_least)) continue;
    for (std::size_t i = p; i < end; ++i) {
      if (best[i] >= scan.at_least) {
        found[count++] = {static_cast<i32>(i), class_of(scan, i, best[i])};
      }
    }
  }
  return count;
}

// Points side by side, with objectness: classes are looked at only where a few neighbouring
// points have one that passes.
template <class T>
std::size_t scan_sparse_planes(const Scan<T>& scan, Found* found) {
  using V = typename Vec<T>::type;
  constexpr std::size_t kStep = Vec<T>::lanes;
  const V enough = all<T>(scan.objectness_at_least);
  std::size_t count = 0;
  const auto look = [&](std::size_t p, T best) {
    const T objectness = scan.objectness[p];
    if (!(objectness >= scan.objectness_at_least)) return;
    const float by = scan.multiply ? static_cast<float>(objectness) : 1.0f;
    if (weighed(best, by) >= scan.at_least) {
      found[count++] = {static_cast<i32>(p), class_of(scan, p, best)};
    }
  };
  std::size_t p = 0;
  for (; p + kStep <= scan.points; p += kStep) {
    if (!any(load(scan.objectness + p) >= enough)) continue;
    V best[4] = {all<T>(kLowest<T>), all<T>(kLowest<T>), all<T>(kLowest<T>), all<T>(kLowest<T>)};
    const T* score = scan.scores + p;
    std::size_t c = 0;
    for (; c + 4 <= scan.classes; c += 4) {
      for (V& most : best) {
        most = greater(load(score), most);
        score += scan.channel_stride;
      }
    }
    for (; c < scan.classes; ++c, score += scan.channel_stride) {
      best[0] = greater(load(score), best[0]);
    }
    const V most = greater(greater(best[0], best[1]), greater(best[2], best[3]));
    for (std::size_t i = 0; i < kStep; ++i) look(p + i, most[i]);
  }
  for (; p < scan.points; ++p) {
    T best = kLowest<T>;
    const T* score = scan.scores + p;
    for (std::size_t c = 0; c < scan.classes; ++c, score += scan.channel_stride) {
      best = *score > best ? *score : best;
    }
    look(p, best);
  }
  return count;
}

template <class T>
std::size_t scan_planes(const Scan<T>& scan, T* best, Found* found) {
  return scan.objectness != nullptr ? scan_sparse_planes(scan, found)
                                    : scan_dense_planes(scan, best, found);
}
