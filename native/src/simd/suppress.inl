// Greedy suppression of sorted boxes.

// IoU > t means overlap > t / (1 + t) * (area + area). The kept boxes of a group are compared by
// that, a little loosened; a box that might be dropped is then looked at with the exact division.
std::size_t suppress(const Boxes& boxes, const i32* order, const i32* group_of, std::size_t count,
                     Groups& groups, float iou_threshold, std::size_t most, i32* kept) {
  using V = Vec<float>::type;
  constexpr std::size_t kStep = Vec<float>::lanes;
  const V share = splat<float>(iou_threshold / (1 + iou_threshold) * (1 - 1e-5f));
  const V tiny = splat<float>(1e-37f);  // below, areas are denormal and the share is not exact
  const V limit = splat<float>(iou_threshold);
  const V zero = splat<float>(0);
  std::size_t kept_count = 0;
  for (std::size_t n = 0; n < count && kept_count < most; ++n) {
    const i32 i = order[n];
    const float left = boxes.x1[i], top = boxes.y1[i], right = boxes.x2[i], bottom = boxes.y2[i];
    const float own_area = (right - left) * (bottom - top);
    const V x1 = splat<float>(left), y1 = splat<float>(top);
    const V x2 = splat<float>(right), y2 = splat<float>(bottom);
    const V area = splat<float>(own_area);
    const std::size_t first = groups.first[group_of[i]];
    const std::size_t end = first + groups.count[group_of[i]];
    bool dropped = false;
    for (std::size_t k = first; k < end; k += kStep) {
      const V width = lesser(x2, load(groups.x2 + k)) - greater(x1, load(groups.x1 + k));
      const V height = lesser(y2, load(groups.y2 + k)) - greater(y1, load(groups.y1 + k));
      const V overlap = greater(width, zero) * greater(height, zero);
      const V both = area + load(groups.area + k);
      if (__builtin_expect(any(overlap + tiny > share * both), 0)) {
        if (any((overlap / (both - overlap) > limit) & (width > zero) & (height > zero))) {
          dropped = true;
          break;
        }
      }
    }
    if (dropped) continue;
    // Lists are filled up to whole vectors with boxes that overlap nothing.
    if ((end - first) % kStep == 0) {
      for (std::size_t k = end; k < end + kStep; ++k) {
        groups.x1[k] = groups.y1[k] = 3e38f;
        groups.x2[k] = groups.y2[k] = -3e38f;
        groups.area[k] = 0;
      }
    }
    groups.x1[end] = left;
    groups.y1[end] = top;
    groups.x2[end] = right;
    groups.y2[end] = bottom;
    groups.area[end] = own_area;
    ++groups.count[group_of[i]];
    kept[kept_count++] = i;
  }
  return kept_count;
}
