// Overlapping boxes become their weighted mean.
#pragma once

#include "edge/decode.h"
#include "edge/nms.h"

namespace edge {

// Boxes are taken best first. Each joins the cluster of its class whose mean box it overlaps most,
// if by more than the threshold, or else starts one. A cluster gives the mean of its boxes weighted
// by score, and the mean of their scores. Best first, the older cluster first among equals. Boxes
// with a score of 0 or less weigh nothing and are dropped.
// Source: Solovyev et al. 2021, arXiv:1910.13302, sec. 3, for one model.
Candidates merge(const BoxList& boxes, const Column<float>& scores,
                 const Column<std::int32_t>& class_ids, const Suppression& how);

}  // namespace edge
