// What the kernels are compared with: straightforward C++ as detector examples write it (a vector
// of objects, quicksort, pairwise suppression), and readers that give the floor of memory.
// Built by native.py; called through ctypes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

struct Object {
  float x, y, w, h;
  int label;
  float prob;
};

void sort_down(std::vector<Object>& objects, int left, int right) {
  int i = left, j = right;
  const float pivot = objects[(left + right) / 2].prob;
  while (i <= j) {
    while (objects[i].prob > pivot) ++i;
    while (objects[j].prob < pivot) --j;
    if (i <= j) std::swap(objects[i++], objects[j--]);
  }
  if (left < j) sort_down(objects, left, j);
  if (i < right) sort_down(objects, i, right);
}

float shared_area(const Object& a, const Object& b) {
  const float w = std::min(a.x + a.w, b.x + b.w) - std::max(a.x, b.x);
  const float h = std::min(a.y + a.h, b.y + b.h) - std::max(a.y, b.y);
  return w > 0 && h > 0 ? w * h : 0;
}

void suppress(const std::vector<Object>& objects, std::vector<int>& picked, float threshold) {
  picked.clear();
  std::vector<float> areas(objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) areas[i] = objects[i].w * objects[i].h;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    bool keep = true;
    for (const int j : picked) {
      if (objects[i].label != objects[j].label) continue;
      const float inter = shared_area(objects[i], objects[j]);
      if (inter / (areas[i] + areas[j] - inter) > threshold) keep = false;
    }
    if (keep) picked.push_back(static_cast<int>(i));
  }
}

int finish(std::vector<Object>& objects, float iou, float* out) {
  std::vector<int> picked;
  if (!objects.empty()) sort_down(objects, 0, static_cast<int>(objects.size()) - 1);
  suppress(objects, picked, iou);
  for (const int i : picked) {
    const Object& o = objects[i];
    const float row[6] = {o.x, o.y, o.x + o.w, o.y + o.h, o.prob, static_cast<float>(o.label)};
    out = std::copy(row, row + 6, out);
  }
  return static_cast<int>(picked.size());
}

float sigmoid(float x) { return 1.f / (1.f + std::exp(-x)); }

template <class T, int streams>
T read_streams(const T* data, long count) {
  constexpr int kBytes = 64;
  typedef T V __attribute__((vector_size(kBytes)));
  constexpr long kLanes = kBytes / sizeof(T);
  const long each = count / (streams * kLanes) * kLanes;
  V most[streams] = {};
  for (long i = 0; i + kLanes <= each; i += kLanes) {
    for (int s = 0; s < streams; ++s) {
      V value;
      __builtin_memcpy(&value, data + s * each + i, kBytes);
      most[s] = value > most[s] ? value : most[s];
    }
  }
  T best = 0;
  for (const V& v : most) {
    for (long k = 0; k < kLanes; ++k) best = std::max(best, v[k]);
  }
  return best;
}

}  // namespace

extern "C" {

int plain_rows(const float* rows, int n, int classes, float threshold, float iou, float* out) {
  std::vector<Object> objects;
  for (int i = 0; i < n; ++i, rows += 5 + classes) {
    int label = 0;
    float best = -1;
    for (int c = 0; c < classes; ++c) {
      if (rows[5 + c] > best) {
        best = rows[5 + c];
        label = c;
      }
    }
    const float score = rows[4] * best;
    if (score > threshold) {
      objects.push_back(
          {rows[0] - rows[2] / 2, rows[1] - rows[3] / 2, rows[2], rows[3], label, score});
    }
  }
  return finish(objects, iou, out);
}

int plain_planes(const float* planes, int n, int classes, float threshold, float iou, float* out) {
  std::vector<Object> objects;
  for (int i = 0; i < n; ++i) {
    int label = 0;
    float best = -1;
    for (int c = 0; c < classes; ++c) {
      const float score = planes[(4 + c) * static_cast<long>(n) + i];
      if (score > best) {
        best = score;
        label = c;
      }
    }
    if (best > threshold) {
      const float w = planes[2L * n + i], h = planes[3L * n + i];
      objects.push_back({planes[i] - w / 2, planes[n + i] - h / 2, w, h, label, best});
    }
  }
  return finish(objects, iou, out);
}

// Heads (classes + 4, h, w) with distances in cells.
int plain_distances(const float* const* heads, const int* hs, const int* ws, const int* strides,
                    int levels, int classes, float threshold, float iou, float* out) {
  std::vector<Object> objects;
  for (int level = 0; level < levels; ++level) {
    const int n = hs[level] * ws[level];
    const float* head = heads[level];
    for (int y = 0; y < hs[level]; ++y) {
      for (int x = 0; x < ws[level]; ++x) {
        const int i = y * ws[level] + x;
        int label = 0;
        float best = -1;
        for (int c = 0; c < classes; ++c) {
          if (head[c * n + i] > best) {
            best = head[c * n + i];
            label = c;
          }
        }
        if (best <= threshold) continue;
        const float* d = head + classes * n + i;
        const float s = static_cast<float>(strides[level]);
        const float x1 = (x + .5f - d[0]) * s, y1 = (y + .5f - d[n]) * s;
        const float x2 = (x + .5f + d[2 * n]) * s, y2 = (y + .5f + d[3 * n]) * s;
        objects.push_back({x1, y1, x2 - x1, y2 - y1, label, best});
      }
    }
  }
  return finish(objects, iou, out);
}

// Heads (3 * (5 + classes), h, w) of logits.
int plain_anchors(const float* const* heads, const int* hs, const int* ws, const int* strides,
                  const float* anchors, int levels, int classes, float threshold, float iou,
                  float* out) {
  std::vector<Object> objects;
  for (int level = 0; level < levels; ++level) {
    const int n = hs[level] * ws[level];
    for (int a = 0; a < 3; ++a) {
      const float* head = heads[level] + static_cast<long>(a) * (5 + classes) * n;
      for (int y = 0; y < hs[level]; ++y) {
        for (int x = 0; x < ws[level]; ++x) {
          const int i = y * ws[level] + x;
          int label = 0;
          float best = -1e30f;
          for (int c = 0; c < classes; ++c) {
            if (head[(5 + c) * n + i] > best) {
              best = head[(5 + c) * n + i];
              label = c;
            }
          }
          const float score = sigmoid(head[4 * n + i]) * sigmoid(best);
          if (score <= threshold) continue;
          const float s = static_cast<float>(strides[level]);
          const float cx = (sigmoid(head[i]) * 2 - .5f + x) * s;
          const float cy = (sigmoid(head[n + i]) * 2 - .5f + y) * s;
          const float w = std::pow(sigmoid(head[2 * n + i]) * 2, 2.f) * anchors[6 * level + 2 * a];
          const float h =
              std::pow(sigmoid(head[3 * n + i]) * 2, 2.f) * anchors[6 * level + 2 * a + 1];
          objects.push_back({cx - w / 2, cy - h / 2, w, h, label, score});
        }
      }
    }
  }
  return finish(objects, iou, out);
}

int plain_nms(const float* boxes, const float* scores, const int* ids, int n, float iou,
              float* out) {
  std::vector<Object> objects;
  for (int i = 0; i < n; ++i, boxes += 4) {
    objects.push_back(
        {boxes[0], boxes[1], boxes[2] - boxes[0], boxes[3] - boxes[1], ids[i], scores[i]});
  }
  return finish(objects, iou, out);
}

float read_f32(const float* data, long count, int streams) {
  switch (streams) {
    case 1: return read_streams<float, 1>(data, count);
    case 2: return read_streams<float, 2>(data, count);
    case 4: return read_streams<float, 4>(data, count);
    default: return read_streams<float, 8>(data, count);
  }
}

int read_i8(const std::int8_t* data, long count, int streams) {
  switch (streams) {
    case 1: return read_streams<std::int8_t, 1>(data, count);
    case 2: return read_streams<std::int8_t, 2>(data, count);
    case 4: return read_streams<std::int8_t, 4>(data, count);
    default: return read_streams<std::int8_t, 8>(data, count);
  }
}

}  // extern "C"
