// Causal attention over packed sequences by cumulative lengths, differentiable.
//
// Forward gathers each sequence's keys and values (rows of a shared prompt serve several sequences), runs FlashAttention's
// variable-length kernel, and keeps the rows before the gather: the copies are made again in backward. There a row's gradients from
// all sequences that it serves are summed by a gather too, in a fixed order: two runs give the same bits, where atomic additions
// would not. CPUs have no such kernel: `segments` below is the same computation in plain operators, one sequence at a time.

#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <tuple>
#include <vector>

namespace packed {

struct Index {
  at::Tensor keyRows;  // int64 [K]: rows of the sequences' keys, one after the other; undefined where they are all rows in order
  at::Tensor keyUses;  // int64 [T, M]: where row t stands in keyRows, K where it stands there fewer than M times
  at::Tensor queryStarts, keyStarts;  // int32 [S + 1]: cumulative lengths
  int64_t longestQuery, longestKey;
  double scale;
  int64_t window;  // keys that a query sees at most, itself included; 0: all
};

using Parts = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

struct Forward {
  at::Tensor out, logSumExp, randomState, unused;
};

/** One sequence's tensors in float32 with the key heads repeated: probabilities [H, Q, K] wanted by both directions. */
inline at::Tensor scores(const at::Tensor& q, const at::Tensor& k, const Index& index) {
  const int64_t queries = q.size(0), keys = k.size(0);
  const at::Tensor last = at::arange(queries, at::kLong).unsqueeze(1) + (keys - queries);
  const at::Tensor key = at::arange(keys, at::kLong).unsqueeze(0);
  at::Tensor hidden = key > last;
  if (index.window > 0) hidden = hidden | (key <= last - index.window);
  const at::Tensor products = at::matmul(q.transpose(0, 1), k.permute({1, 2, 0})) * index.scale;
  return products.masked_fill(hidden, -std::numeric_limits<float>::infinity());
}

struct Segment {
  at::Tensor q, k, v;  // float32, [L, H, D]
  int64_t queryStart, queryEnd;
};

inline std::vector<Segment> segments(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Index& index) {
  const int64_t groups = q.size(1) / k.size(1);
  const int32_t* queryStarts = index.queryStarts.const_data_ptr<int32_t>();
  const int32_t* keyStarts = index.keyStarts.const_data_ptr<int32_t>();
  std::vector<Segment> result;
  for (int64_t s = 0; s + 1 < index.queryStarts.size(0); s++) {
    const auto keyPart = [&](const at::Tensor& x) { return x.slice(0, keyStarts[s], keyStarts[s + 1]).to(at::kFloat).repeat_interleave(groups, 1); };
    result.push_back({q.slice(0, queryStarts[s], queryStarts[s + 1]).to(at::kFloat), keyPart(k), keyPart(v), queryStarts[s], queryStarts[s + 1]});
  }
  return result;
}

inline Forward plainForward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Index& index) {
  std::vector<at::Tensor> outs, sums;
  for (const Segment& segment : segments(q, k, v, index)) {
    const at::Tensor values = scores(segment.q, segment.k, index);
    outs.push_back(at::matmul(at::softmax(values, -1), segment.v.transpose(0, 1)).transpose(0, 1));
    sums.push_back(at::logsumexp(values, {-1}));
  }
  return {at::cat(outs, 0).to(q.scalar_type()), at::cat(sums, 1), {}, {}};
}

/** With P = exp(scores - logSumExp): dV = Pᵀ dO, dS = P (dO Vᵀ - Σ dO O), dQ = scale dS K, dK = scale dSᵀ Q. */
inline Parts plainBackward(const at::Tensor& grad, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& out,
                           const at::Tensor& logSumExp, const Index& index) {
  const int64_t heads = k.size(1), groups = q.size(1) / heads;
  const auto summed = [&](const at::Tensor& x) { return x.transpose(0, 1).reshape({x.size(1), heads, groups, x.size(2)}).sum(2); };
  std::vector<at::Tensor> queries, keys, values;
  for (const Segment& segment : segments(q, k, v, index)) {
    const auto own = [&](const at::Tensor& x) { return x.slice(0, segment.queryStart, segment.queryEnd).to(at::kFloat).transpose(0, 1); };
    const at::Tensor lse = logSumExp.slice(1, segment.queryStart, segment.queryEnd).unsqueeze(2);
    const at::Tensor probabilities = at::exp(scores(segment.q, segment.k, index) - lse);
    const at::Tensor dOut = own(grad);
    const at::Tensor dProbabilities = at::matmul(dOut, segment.v.permute({1, 2, 0}));
    const at::Tensor dScores = probabilities * (dProbabilities - (dOut * own(out)).sum(-1, true)) * index.scale;
    queries.push_back(at::matmul(dScores, segment.k.transpose(0, 1)).transpose(0, 1));
    keys.push_back(summed(at::matmul(dScores.transpose(1, 2), segment.q.transpose(0, 1))));
    values.push_back(summed(at::matmul(probabilities.transpose(1, 2), dOut)));
  }
  const auto joined = [&](const std::vector<at::Tensor>& parts) { return at::cat(parts, 0).to(q.scalar_type()); };
  return {joined(queries), joined(keys), joined(values)};
}

inline std::optional<int64_t> windowLeft(const Index& index) { return index.window > 0 ? std::optional<int64_t>(index.window - 1) : std::nullopt; }
inline std::optional<int64_t> windowRight(const Index& index) { return index.window > 0 ? std::optional<int64_t>(0) : std::nullopt; }

inline Forward flashForward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Index& index) {
  auto [out, logSumExp, randomState, unused, debug] =
      at::_flash_attention_forward(q, k, v, index.queryStarts, index.keyStarts, index.longestQuery, index.longestKey, /*dropout_p=*/0.0,
                                   /*is_causal=*/true, /*return_debug_mask=*/false, index.scale, windowLeft(index), windowRight(index));
  return {out, logSumExp, randomState, unused};
}

/** Within it FlashAttention's backward adds in a fixed order. */
struct Deterministic {
  const bool on = at::globalContext().deterministicAlgorithms();
  const bool warn = at::globalContext().deterministicAlgorithmsWarnOnly();
  const bool fill = at::globalContext().deterministicFillUninitializedMemory();
  Deterministic() {
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
  }
  ~Deterministic() {
    at::globalContext().setDeterministicAlgorithms(on, warn);
    at::globalContext().setDeterministicFillUninitializedMemory(fill);
  }
};

inline Parts flashBackward(const at::Tensor& grad, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Forward& forward,
                           const Index& index) {
  const Deterministic guard;
  return at::_flash_attention_backward(grad, q, k, v, forward.out, forward.logSumExp, index.queryStarts, index.keyStarts, index.longestQuery,
                                       index.longestKey, /*dropout_p=*/0.0, /*is_causal=*/true, forward.randomState, forward.unused, index.scale,
                                       windowLeft(index), windowRight(index));
}

inline at::Tensor gathered(const at::Tensor& x, const Index& index) { return index.keyRows.defined() ? x.index_select(0, index.keyRows) : x; }

/** The transpose of `gathered`: each row's sum over its uses. */
inline at::Tensor summedUses(const at::Tensor& grad, const Index& index) {
  if (!index.keyRows.defined()) return grad;
  const at::Tensor padded = at::cat({grad, at::zeros({1, grad.size(1), grad.size(2)}, grad.options())}, 0);
  const int64_t rows = index.keyUses.size(0), uses = index.keyUses.size(1);
  return padded.index_select(0, index.keyUses.reshape({-1})).view({rows, uses, grad.size(1), grad.size(2)}).sum(1);
}

struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const Index& index) {
    const at::Tensor keys = gathered(k, index), values = gathered(v, index);
    const Forward result = q.is_cuda() ? flashForward(q, keys, values, index) : plainForward(q, keys, values, index);
    context->save_for_backward({q, k, v, result.out, result.logSumExp, result.randomState, result.unused, index.keyRows, index.keyUses,
                                index.queryStarts, index.keyStarts});
    context->saved_data["sizes"] = std::vector<int64_t>{index.longestQuery, index.longestKey, index.window};
    context->saved_data["scale"] = index.scale;
    return result.out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const auto sizes = context->saved_data["sizes"].toIntVector();
    const Index index{saved[7], saved[8], saved[9], saved[10], sizes[0], sizes[1], context->saved_data["scale"].toDouble(), sizes[2]};
    const Forward forward{saved[3], saved[4], saved[5], saved[6]};
    const at::Tensor &q = saved[0], keys = gathered(saved[1], index), values = gathered(saved[2], index), grad = grads[0].contiguous();
    const auto [dQueries, dKeys, dValues] = q.is_cuda() ? flashBackward(grad, q, keys, values, forward, index)
                                                        : plainBackward(grad, q, keys, values, forward.out, forward.logSumExp, index);
    return {dQueries, summedUses(dKeys, index), summedUses(dValues, index), {}};
  }
};

}  // namespace packed
