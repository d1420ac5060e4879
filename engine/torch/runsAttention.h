// Attention over packed sequences on CPUs, differentiable, float32.
//
// A sequence's keys are a few runs of rows that lie one after the other (a shared prompt, then its own rows), so that products read
// them where they are: no row is gathered, padded or copied, and no mask is made. Queries go in blocks, and a block's products end
// where causality does. Backward computes the probabilities again from the kept sums of exponentials (FlashAttention's way, Dao et
// al. 2022). A task is a head of a group of sequences that share rows: it alone adds to its keys' gradients, in a fixed order.

#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "rowMath.h"

namespace runs {

using rows::exponential;
using rows::multiply;

/** x[i] = exp(x[i] - the largest); returns the logarithm of the sum of exponentials, and one over the sum of the new values. */
DPO_CLONES static float exponentials(float* x, int64_t n, float* inverse) {
  const float most = rows::largest(x, n);
  for (int64_t i = 0; i < n; i++) x[i] = exponential(x[i] - most);
  const float sum = rows::sum(n, [x](int64_t i) DPO_INLINE { return x[i]; });
  *inverse = 1 / sum;
  return most + std::log(sum);
}

DPO_CLONES static void scaleRow(float* x, int64_t n, float factor) {
  for (int64_t i = 0; i < n; i++) x[i] *= factor;
}

DPO_CLONES static float dot(const float* a, const float* b, int64_t n) {
  return rows::sum(n, [=](int64_t i) DPO_INLINE { return a[i] * b[i]; });
}

/** x = cap tanh(x / cap). */
DPO_CLONES static void softCap(float* x, int64_t n, float cap) {
  const float twice = 2 / cap;
  for (int64_t i = 0; i < n; i++) x[i] = cap - 2 * cap / (exponential(std::min(twice * x[i], 80.0f)) + 1);
}

/** p = exp(p - logSum), d = scale p (d - mean), times the slope of the soft cap, if any: a row of probabilities and of the scores' gradients. */
DPO_CLONES static void scoreGradients(float* p, float* d, int64_t n, float logSum, float mean, float scale, float cap) {
  const float inverse = cap > 0 ? 1 / cap : 0;
  for (int64_t i = 0; i < n; i++) d[i] = (d[i] - mean) * (1 - p[i] * inverse * (p[i] * inverse));
  for (int64_t i = 0; i < n; i++) {
    p[i] = exponential(p[i] - logSum);
    d[i] *= scale * p[i];
  }
}

struct Index {
  at::Tensor segments;  // int32 [S, 5]: first query row, queries, keys, first run, runs
  at::Tensor runs;      // int32 [R, 2]: first row, rows
  at::Tensor groups;    // int32 [G + 1]: the first segment of each group of segments that share rows
  double scale;
  int64_t window;  // keys that a query sees at most, itself included; 0: all
  bool causal;
  double cap;  // soft cap on the scores; 0: none
};

constexpr int64_t kBlock = 32;

/** A tensor [T, H, D] whose heads' values lie side by side. */
struct Rows {
  float* data;
  int64_t row, head;
  float* at(int64_t r, int64_t h) const { return data + r * row + h * head; }
};

inline at::Tensor readable(const at::Tensor& x) { return x.stride(2) == 1 && x.stride(0) > 0 ? x : x.contiguous(); }
inline Rows rowsOf(const at::Tensor& x) { return {x.data_ptr<float>(), x.stride(0), x.stride(1)}; }

/** Some queries of a segment and the keys that any of them sees. */
struct Block {
  const int32_t* segment;
  const int32_t* runs;
  int64_t first, count;      // queries, counted from the segment's first
  int64_t firstKey, endKey;  // of the segment's keys
  const Index* index;

  int64_t row() const { return segment[0] + first; }
  int64_t width() const { return endKey - firstKey; }
  int64_t last(int64_t i) const { return index->causal ? segment[2] - segment[1] + first + i : segment[2] - 1; }
  /** The first key that query i sees, and the end of what it sees, counted from firstKey. */
  int64_t begin(int64_t i) const { return (index->window > 0 ? std::max<int64_t>(0, last(i) - index->window + 1) : 0) - firstKey; }
  int64_t end(int64_t i) const { return last(i) + 1 - firstKey; }

  /** f(first row, rows, their place counted from firstKey) for each piece of a run that the block sees. */
  template <typename F>
  void eachRun(const F& f) const {
    int64_t key = 0;
    for (int32_t r = 0; r < segment[4]; r++) {
      const int32_t* run = runs + 2 * (segment[3] + r);
      const int64_t from = std::max(key, firstKey), to = std::min<int64_t>(key + run[1], endKey);
      if (from < to) f(run[0] + from - key, to - from, from - firstKey);
      key += run[1];
    }
  }
};

template <typename F>
void eachBlock(const Index& index, int64_t segment, const F& f) {
  const int32_t* record = index.segments.const_data_ptr<int32_t>() + 5 * segment;
  for (int64_t first = 0; first < record[1]; first += kBlock) {
    Block block{record, index.runs.const_data_ptr<int32_t>(), first, std::min<int64_t>(kBlock, record[1] - first), 0, 0, &index};
    block.endKey = block.last(block.count - 1) + 1;
    if (index.window > 0) block.firstKey = std::max<int64_t>(0, block.last(0) - index.window + 1);
    f(block);
  }
}

/** out [count, width] = scale q kᵀ. */
inline void products(const Block& block, const Rows& q, int64_t head, const Rows& k, int64_t keyHead, int64_t depth, float scale, float* out) {
  block.eachRun([&](int64_t row, int64_t rows, int64_t place) {
    multiply(false, true, block.count, rows, depth, scale, q.at(block.row(), head), q.row, k.at(row, keyHead), k.row, 0, out + place, block.width());
  });
}

inline void hide(const Block& block, int64_t i, float* row) {
  std::fill(row, row + block.begin(i), 0.0f);
  std::fill(row + block.end(i), row + block.width(), 0.0f);
}

inline int64_t mostKeys(const Index& index) {
  int64_t most = 1;
  const int32_t* record = index.segments.const_data_ptr<int32_t>();
  for (int64_t s = 0; s < index.segments.size(0); s++) most = std::max<int64_t>(most, record[5 * s + 2]);
  return most;
}

/** The result [T, H, D], and each query's logarithm of its sum of exponentials, [T, H]. */
inline std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, const Index& index) {
  const int64_t heads = queries.size(1), depth = queries.size(2), perKey = heads / keys.size(1), most = mostKeys(index);
  at::Tensor out = at::empty(queries.sizes(), queries.options()), sums = at::empty({queries.size(0), heads}, queries.options());
  const Rows q = rowsOf(queries), k = rowsOf(keys), v = rowsOf(values), o = rowsOf(out);
  float* logSums = sums.data_ptr<float>();
  at::parallel_for(0, index.segments.size(0) * heads, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(kBlock * most);
    float inverse[kBlock];
    for (int64_t task = begin; task < end; task++) {
      const int64_t segment = task / heads, head = task % heads, keyHead = head / perKey;
      eachBlock(index, segment, [&](const Block& block) {
        float* p = buffer.data();
        products(block, q, head, k, keyHead, depth, index.scale, p);
        if (index.cap > 0) softCap(p, block.count * block.width(), index.cap);
        for (int64_t i = 0; i < block.count; i++) {
          float* row = p + i * block.width();
          logSums[(block.row() + i) * heads + head] = exponentials(row + block.begin(i), block.end(i) - block.begin(i), inverse + i);
          hide(block, i, row);
        }
        float beta = 0;
        block.eachRun([&](int64_t row, int64_t rows, int64_t place) {
          multiply(false, false, block.count, depth, rows, 1, p + place, block.width(), v.at(row, keyHead), v.row, beta, o.at(block.row(), head), o.row);
          beta = 1;
        });
        for (int64_t i = 0; i < block.count; i++) scaleRow(o.at(block.row() + i, head), depth, inverse[i]);
      });
    }
  });
  return {out, sums};
}

/** With P = exp(scores - logSum): dV = Pᵀ dO, dS = scale P (dO Vᵀ - Σ dO O), dQ = dS K, dK = dSᵀ Q. */
inline std::tuple<at::Tensor, at::Tensor, at::Tensor> backward(const at::Tensor& gradient, const at::Tensor& queries, const at::Tensor& keys,
                                                               const at::Tensor& values, const at::Tensor& out, const at::Tensor& sums,
                                                               const Index& index) {
  const int64_t heads = queries.size(1), depth = queries.size(2), perKey = heads / keys.size(1), most = mostKeys(index);
  const int64_t groups = index.groups.size(0) - 1;
  // too few tasks for the threads: each query head adds up for itself first
  const bool apart = perKey > 1 && groups * keys.size(1) < 2 * at::get_num_threads();
  const int64_t together = apart ? 1 : perKey, parts = heads / together;
  const auto zeros = [&] { return at::zeros({keys.size(0), parts, depth}, keys.options()); };
  at::Tensor dQueries = at::empty(queries.sizes(), queries.options()), dKeys = zeros(), dValues = zeros();
  const Rows q = rowsOf(queries), k = rowsOf(keys), v = rowsOf(values), o = rowsOf(out), g = rowsOf(gradient);
  const Rows dq = rowsOf(dQueries), dk = rowsOf(dKeys), dv = rowsOf(dValues);
  const float* logSums = sums.const_data_ptr<float>();
  const int32_t* groupStarts = index.groups.const_data_ptr<int32_t>();
  at::parallel_for(0, groups * parts, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(2 * kBlock * most);
    const auto attend = [&](const Block& block, int64_t head, int64_t part) {
      const int64_t keyHead = head / perKey, width = block.width();
      float *p = buffer.data(), *d = p + kBlock * most;
      products(block, q, head, k, keyHead, depth, index.scale, p);
      if (index.cap > 0) softCap(p, block.count * width, index.cap);
      products(block, g, head, v, keyHead, depth, 1, d);
      for (int64_t i = 0; i < block.count; i++) {
        const int64_t row = block.row() + i, from = block.begin(i);
        const float mean = dot(g.at(row, head), o.at(row, head), depth);
        scoreGradients(p + i * width + from, d + i * width + from, block.end(i) - from, logSums[row * heads + head], mean, index.scale, index.cap);
        hide(block, i, p + i * width);
        hide(block, i, d + i * width);
      }
      float beta = 0;
      block.eachRun([&](int64_t row, int64_t rows, int64_t place) {
        multiply(false, false, block.count, depth, rows, 1, d + place, width, k.at(row, keyHead), k.row, beta, dq.at(block.row(), head), dq.row);
        multiply(true, false, rows, depth, block.count, 1, d + place, width, q.at(block.row(), head), q.row, 1, dk.at(row, part), dk.row);
        multiply(true, false, rows, depth, block.count, 1, p + place, width, g.at(block.row(), head), g.row, 1, dv.at(row, part), dv.row);
        beta = 1;
      });
    };
    for (int64_t task = begin; task < end; task++) {
      const int64_t group = task / parts, part = task % parts;
      for (int64_t segment = groupStarts[group]; segment < groupStarts[group + 1]; segment++)
        for (int64_t head = part * together; head < (part + 1) * together; head++)
          eachBlock(index, segment, [&](const Block& block) { attend(block, head, part); });
    }
  });
  const auto joined = [&](const at::Tensor& x) { return apart ? x.view({x.size(0), keys.size(1), perKey, depth}).sum(2) : x; };
  return {dQueries, joined(dKeys), joined(dValues)};
}

struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const Index& index) {
    const at::Tensor queries = readable(q), keys = readable(k), values = readable(v);
    const auto [out, sums] = runs::forward(queries, keys, values, index);
    context->save_for_backward({queries, keys, values, out, sums, index.segments, index.runs, index.groups});
    context->saved_data["scale"] = index.scale;
    context->saved_data["window"] = index.window;
    context->saved_data["causal"] = index.causal;
    context->saved_data["cap"] = index.cap;
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const Index index{saved[5], saved[6], saved[7], context->saved_data["scale"].toDouble(), context->saved_data["window"].toInt(),
                      context->saved_data["causal"].toBool(), context->saved_data["cap"].toDouble()};
    const auto [dQueries, dKeys, dValues] = runs::backward(readable(grads[0]), saved[0], saved[1], saved[2], saved[3], saved[4], index);
    return {dQueries, dKeys, dValues, {}};
  }
};

}  // namespace runs
