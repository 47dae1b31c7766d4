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
  std::size_t c = 0;
  if (scan.channel_stride == 1) {
    constexpr std::size_t kStep = Vec<T>::lanes;
    const auto sought = splat<T>(best);
    for (; c + kStep <= scan.classes; c += kStep) {
      const auto same = load(score + c) == sought;
      if (any(same)) return static_cast<i32>(c + first_of(same));
    }
  }
  score += static_cast<std::ptrdiff_t>(c) * scan.channel_stride;
  for (; c < scan.classes; ++c, score += scan.channel_stride) {
    if (*score == best) return static_cast<i32>(c);
  }
  return 0;
}

// Classes side by side. A row is passed over by its objectness, then by its best class.
template <class T>
std::size_t scan_rows(const Scan<T>& given, Found* found) {
  using V = typename Vec<T>::type;
  constexpr std::size_t kStep = Vec<T>::lanes;
  const Scan<T> scan = given;  // so that writing to `found` cannot change it
  const std::size_t classes = scan.classes;
  const V at_least = splat<T>(scan.at_least);
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
      V a = splat<T>(kLowest<T>);
      V b = a;
      std::size_t c = 0;
      for (; c + 2 * kStep <= classes; c += 2 * kStep) {
        a = greater(load(row + c), a);
        b = greater(load(row + c + kStep), b);
      }
      if (c + kStep <= classes) a = greater(load(row + c), a);
      if (classes % kStep != 0) b = greater(load(row + classes - kStep), b);  // some once more
      a = greater(a, b);
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

// Planes are taken so many at a time, so many bytes of each: few enough for the running maximum to
// stay in the nearest cache. So many streams are more than the memory system follows by itself:
// each is fetched that far ahead.
constexpr std::size_t kGroup = 16;
constexpr std::size_t kSegment = 32768;
constexpr std::size_t kAhead = 384;
constexpr std::size_t kCacheLine = 64;

// The running maximum of some points, and the group of planes that it came from: the first, as
// only a greater score replaces it. Groups are numbered while the lane has room for the number.
template <class T>
struct Running {
  static constexpr std::size_t kPoints = kSegment / sizeof(T);
  T best[kPoints];
  typename Vec<T>::index group[kPoints];
};

// `planes` of them into the running maximum of `count` points.
template <class T, bool first>
inline void raise(const T* plane, std::ptrdiff_t stride, std::size_t planes, std::size_t count,
                  typename Vec<T>::index group, Running<T>& running) {
  using V = typename Vec<T>::type;
  constexpr std::size_t kStep = Vec<T>::lanes;
  constexpr std::size_t kLine = kCacheLine / sizeof(T);
  const auto number = splat<typename Vec<T>::index>(group);
  const auto keep = [&](std::size_t p, V most) {
    if constexpr (first) {
      store(running.best + p, most);
      store(running.group + p, number);
    } else {
      const V before = load(running.best + p);
      const auto old = load(running.group + p);
      const auto higher = most > before;
      store(running.best + p, higher ? most : before);
      store(running.group + p, higher ? number : old);
    }
  };
  constexpr std::size_t ahead = kAhead / sizeof(T);  // in elements
  const auto line = [&](std::size_t p, std::size_t many) {
    V most[kLine / kStep];
    for (V& one : most) one = splat<T>(kLowest<T>);
    const T* from = plane + p;
    for (std::size_t c = 0; c < many; ++c, from += stride) {
      __builtin_prefetch(from + ahead);
      for (std::size_t i = 0; i < kLine / kStep; ++i) {
        most[i] = greater(load(from + i * kStep), most[i]);
      }
    }
    for (std::size_t i = 0; i < kLine / kStep; ++i) keep(p + i * kStep, most[i]);
  };
  const auto step = [&](std::size_t p) {
    V most = splat<T>(kLowest<T>);
    const T* from = plane + p;
    for (std::size_t c = 0; c < planes; ++c, from += stride) most = greater(load(from), most);
    keep(p, most);
  };
  std::size_t p = 0;
  if (planes == kGroup) {  // known to the compiler
    for (; p + kLine <= count; p += kLine) line(p, kGroup);
  } else {
    for (; p + kLine <= count; p += kLine) line(p, planes);
  }
  for (; p + kStep <= count; p += kStep) step(p);
  if (p < count) step(count - kStep);  // some for a second time: a maximum does not mind
}

// Points side by side, no objectness.
template <class T>
std::size_t scan_dense_planes(const Scan<T>& scan, Found* found) {
  constexpr std::size_t kStep = Vec<T>::lanes;
  Running<T> running;
  std::size_t count = 0;
  const auto take = [&](std::size_t p, T best, std::size_t group) {
    const std::ptrdiff_t stride = scan.channel_stride;
    std::size_t c = group * kGroup;
    const T* score = scan.scores + static_cast<std::ptrdiff_t>(c) * stride + p;
    while (c + 1 < scan.classes && *score != best) {
      ++c;
      score += stride;
    }
    found[count++] = {static_cast<i32>(p), static_cast<i32>(c)};
  };
  if (scan.points < kStep) {
    for (std::size_t p = 0; p < scan.points; ++p) {
      T best = kLowest<T>;
      for (std::size_t c = 0; c < scan.classes; ++c) {
        const T score = scan.scores[static_cast<std::ptrdiff_t>(c) * scan.channel_stride +
                                    static_cast<std::ptrdiff_t>(p)];
        best = score > best ? score : best;
      }
      if (best >= scan.at_least) take(p, best, 0);
    }
    return count;
  }
  constexpr std::size_t kPoints = Running<T>::kPoints;
  const std::size_t segments = (scan.points + kPoints - 1) / kPoints;
  const std::size_t size = (scan.points + segments - 1) / segments;
  for (std::size_t from = 0; from < scan.points; from += size) {
    const std::size_t points = scan.points - from < size ? scan.points - from : size;
    const T* plane = scan.scores + from;
    typename Vec<T>::index group = 0;
    for (std::size_t c = 0; c < scan.classes; c += kGroup) {
      const std::size_t planes = scan.classes - c < kGroup ? scan.classes - c : kGroup;
      if (c == 0) {
        raise<T, true>(plane, scan.channel_stride, planes, points, group, running);
      } else {
        raise<T, false>(plane, scan.channel_stride, planes, points, group, running);
      }
      plane += static_cast<std::ptrdiff_t>(planes) * scan.channel_stride;
      if (group < Vec<T>::most) ++group;
    }
    for (std::size_t p = 0; p < points; p += kStep) {
      const std::size_t end = p + kStep < points ? p + kStep : points;
      if (end == p + kStep && !any(load(running.best + p) >= splat<T>(scan.at_least))) continue;
      for (std::size_t i = p; i < end; ++i) {
        if (running.best[i] >= scan.at_least) {
          take(from + i, running.best[i], static_cast<std::size_t>(running.group[i]));
        }
      }
    }
  }
  return count;
}

// Points side by side, with objectness: classes are looked at only where a few neighboring
// points have one that passes.
template <class T>
std::size_t scan_sparse_planes(const Scan<T>& scan, Found* found) {
  using V = typename Vec<T>::type;
  constexpr std::size_t kStep = Vec<T>::lanes;
  const V enough = splat<T>(scan.objectness_at_least);
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
    V best[4] = {splat<T>(kLowest<T>), splat<T>(kLowest<T>), splat<T>(kLowest<T>),
                 splat<T>(kLowest<T>)};
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
std::size_t scan_planes(const Scan<T>& scan, Found* found) {
  return scan.objectness != nullptr ? scan_sparse_planes(scan, found)
                                    : scan_dense_planes(scan, found);
}
