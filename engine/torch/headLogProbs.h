// Log-probabilities of an output head's targets on CPUs and their backward, float32: one pass over the logits each.
//
// Backward goes through the vocabulary in pieces. With p = exp(scale logits - log sum) and g the gradient of a row's log-probability,
// d logits = scale g (onehot(target) - p) is written over a piece of the logits, and both products read it while it is in the cache.

#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "rowMath.h"

namespace head {

constexpr int64_t kAtOnce = 2048;

/** log Σ exp(scale x), scale above 0, the largest value so far taken out of every piece. */
DPO_CLONES static float logSum(const float* x, int64_t n, float scale) {
  float largest = -std::numeric_limits<float>::infinity(), sum = 0;
  for (int64_t start = 0; start < n; start += kAtOnce) {
    const float* piece = x + start;
    const int64_t count = std::min(kAtOnce, n - start);
    const float most = scale * rows::largest(piece, count);
    if (most > largest) {
      sum *= std::exp(largest - most);
      largest = most;
    }
    sum += rows::sum(count, [=](int64_t i) DPO_INLINE { return rows::exponential(scale * piece[i] - largest); });
  }
  return largest + std::log(sum);
}

/** x = factor exp(scale x - logSum). */
DPO_CLONES static void weighted(float* x, int64_t n, float scale, float logSum, float factor) {
  for (int64_t i = 0; i < n; i++) x[i] = factor * rows::exponential(scale * x[i] - logSum);
}

/** The targets' log-probabilities and the logarithms of the sums, both [N]. @param logits [N, V]  @param targets int64 [N] */
inline std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& given, const at::Tensor& targets, float scale) {
  const at::Tensor logits = given.contiguous();
  const int64_t count = logits.size(0), words = logits.size(1);
  at::Tensor values = at::empty({count}, logits.options()), sums = at::empty({count}, logits.options());
  const float* data = logits.const_data_ptr<float>();
  const int64_t* target = targets.const_data_ptr<int64_t>();
  float *value = values.data_ptr<float>(), *sum = sums.data_ptr<float>();
  for (int64_t n = 0; n < count; n++) TORCH_CHECK(target[n] >= 0 && target[n] < words, "target ", target[n], " beyond ", words, " words");
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) {
      sum[n] = logSum(data + n * words, words, scale);
      value[n] = scale * data[n * words + target[n]] - sum[n];
    }
  });
  return {values, sums};
}

/** The hidden states' gradient [N, D]; the head's [V, D] is added to its own, if it is trained. The logits are overwritten. */
inline at::Tensor backward(at::Tensor& logits, const at::Tensor& sums, const at::Tensor& targets, const at::Tensor& gradients, const at::Tensor& states,
                           at::Tensor& weight, float scale, bool trained) {
  const at::Tensor hidden = states.contiguous(), table = weight.detach().contiguous(), gradient = gradients.contiguous();
  const int64_t count = logits.size(0), words = logits.size(1), width = hidden.size(1);
  TORCH_CHECK(logits.is_contiguous(), "logits must lie row by row");
  at::Tensor out = at::empty({count, width}, hidden.options()), ownGradient;
  const bool first = trained && !weight.grad().defined();
  if (first) weight.mutable_grad() = at::empty({words, width}, hidden.options());
  if (trained) ownGradient = weight.grad();
  float *data = logits.data_ptr<float>(), *toHidden = out.data_ptr<float>(), *toHead = trained ? ownGradient.data_ptr<float>() : nullptr;
  const float *sum = sums.const_data_ptr<float>(), *g = gradient.const_data_ptr<float>();
  const float *x = hidden.const_data_ptr<float>(), *w = table.const_data_ptr<float>();
  const int64_t* target = targets.const_data_ptr<int64_t>();
  // products of a vocabulary at once took twice as long as in pieces (docs/LOG.md)
  const int64_t piece = 1024 * std::max(1, at::get_num_threads() / 2);
  for (int64_t start = 0; start < words; start += piece) {
    const int64_t size = std::min(piece, words - start);
    float* part = data + start;
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        weighted(part + n * words, size, scale, sum[n], -g[n] * scale);
        const int64_t place = target[n] - start;
        if (place >= 0 && place < size) part[n * words + place] += g[n] * scale;
      }
    });
    if (trained) rows::multiply(true, false, size, width, count, 1, part, words, x, width, first ? 0 : 1, toHead + start * width, width);
    rows::multiply(false, false, count, width, size, 1, part, words, w + start * width, width, start > 0 ? 1 : 0, toHidden, width);
  }
  return out;
}

}  // namespace head
