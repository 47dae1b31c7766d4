#include "edge/merge.h"

#include "order.h"

namespace edge {
namespace {

struct Cluster {
  std::int32_t class_id;
  Corners mean;
  double sum[4];  // of box times score; in double, as clusters may be large
  double weight;
  double count;
};

}  // namespace

Candidates merge(const BoxList& boxes, const Column<float>& scores,
                 const Column<std::int32_t>& class_ids, const Suppression& how) {
  std::vector<std::int32_t> order;
  order_by_score(boxes, scores, how.top_k, order);
  std::vector<Cluster> clusters;
  for (const std::int32_t i : order) {
    const auto k = static_cast<std::size_t>(i);
    if (!(scores[k] > 0)) break;
    const Corners box = corners_of(boxes, i);
    const double score = static_cast<double>(scores[k]);
    Cluster* nearest = nullptr;
    float most = how.iou_threshold;
    for (Cluster& cluster : clusters) {
      if (!how.class_agnostic && cluster.class_id != class_ids[k]) continue;
      const float overlap = iou(cluster.mean, box);
      if (overlap > most) {
        most = overlap;
        nearest = &cluster;
      }
    }
    if (nearest == nullptr) {
      clusters.push_back({class_ids[k], box, {}, 0, 0});
      nearest = &clusters.back();
    }
    const float values[] = {box.x1, box.y1, box.x2, box.y2};
    for (std::size_t v = 0; v < 4; ++v) nearest->sum[v] += static_cast<double>(values[v]) * score;
    nearest->weight += score;
    nearest->count += 1;
    const auto mean = [&](std::size_t v) {
      return static_cast<float>(nearest->sum[v] / nearest->weight);
    };
    nearest->mean = {mean(0), mean(1), mean(2), mean(3)};
  }
  Candidates out;
  for (const Cluster& cluster : clusters) {
    const Corners& box = cluster.mean;
    out.boxes.insert(out.boxes.end(), {box.x1, box.y1, box.x2, box.y2});
    out.scores.push_back(static_cast<float>(cluster.weight / cluster.count));
    out.class_ids.push_back(cluster.class_id);
  }
  keep_best(out, how.max_detections);
  return out;
}

}  // namespace edge
