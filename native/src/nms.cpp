#include "edge/nms.h"

#include <algorithm>

#include "order.h"
#include "simd/kernels.h"

namespace edge {
namespace {

using simd::i32;

// Keeps the memory of the last call.
struct Workspace {
  std::vector<i32> order, group;
  std::vector<float> corners, kept;
  std::vector<std::size_t> first, count;
  std::vector<std::int32_t> ids;
};

// Numbers the classes of the boxes in `order` from 0 and gives how many there are.
std::size_t number_classes(const Column<std::int32_t>& class_ids, Workspace& space) {
  std::int32_t low = 0;
  std::int32_t high = 0;
  for (const i32 i : space.order) {
    const std::int32_t id = class_ids[static_cast<std::size_t>(i)];
    low = std::min(low, id);
    high = std::max(high, id);
  }
  const std::int64_t range = static_cast<std::int64_t>(high) - low + 1;
  if (range <= 4096) {
    for (const i32 i : space.order) {
      space.group[static_cast<std::size_t>(i)] = class_ids[static_cast<std::size_t>(i)] - low;
    }
    return static_cast<std::size_t>(range);
  }
  space.ids.clear();
  for (const i32 i : space.order) space.ids.push_back(class_ids[static_cast<std::size_t>(i)]);
  std::sort(space.ids.begin(), space.ids.end());
  space.ids.erase(std::unique(space.ids.begin(), space.ids.end()), space.ids.end());
  for (const i32 i : space.order) {
    const auto found = std::lower_bound(space.ids.begin(), space.ids.end(),
                                        class_ids[static_cast<std::size_t>(i)]);
    space.group[static_cast<std::size_t>(i)] = static_cast<i32>(found - space.ids.begin());
  }
  return space.ids.size();
}

// Lays out one list per group with room for what may be kept; gives the total room.
std::size_t lay_out(std::size_t groups, std::size_t most, Workspace& space) {
  constexpr std::size_t kRound = 8;
  space.first.assign(groups, 0);
  space.count.assign(groups, 0);
  for (const i32 i : space.order) {
    ++space.count[static_cast<std::size_t>(space.group[static_cast<std::size_t>(i)])];
  }
  std::size_t total = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    space.first[g] = total;
    total += (std::min(space.count[g], most) + 2 * kRound - 1) / kRound * kRound;
    space.count[g] = 0;
  }
  return total;
}

}  // namespace

std::vector<std::int32_t> nms(const BoxList& boxes, const Column<float>& scores,
                              const Column<std::int32_t>& class_ids, const Suppression& how,
                              Target target) {
  thread_local Workspace space;
  const std::size_t n = boxes.size;
  space.corners.resize(4 * n);
  float* const x1 = space.corners.data();
  float* const y1 = x1 + n;
  float* const x2 = y1 + n;
  float* const y2 = x2 + n;
  for (std::size_t i = 0; i < n; ++i) {
    const float* box = boxes.data + static_cast<std::ptrdiff_t>(i) * boxes.stride;
    x1[i] = box[0];
    y1[i] = box[1];
    x2[i] = box[2];
    y2[i] = box[3];
  }
  order_by_score(boxes, scores, how.top_k, space.order);

  space.group.assign(n, 0);
  const std::size_t most = std::min(how.max_detections, space.order.size());
  const std::size_t groups = how.class_agnostic ? 1 : number_classes(class_ids, space);
  const std::size_t room = lay_out(groups, most, space);
  space.kept.resize(5 * room);
  float* const kept = space.kept.data();
  simd::Groups lists{kept,
                     kept + room,
                     kept + 2 * room,
                     kept + 3 * room,
                     kept + 4 * room,
                     space.first.data(),
                     space.count.data()};
  std::vector<std::int32_t> out(most);
  out.resize(simd::kernels(target).suppress({x1, y1, x2, y2}, space.order.data(),
                                            space.group.data(), space.order.size(), lists,
                                            how.iou_threshold, most, out.data()));
  return out;
}

}  // namespace edge
