import type * as tf from '@tensorflow/tfjs-core';
import { type ActivationName } from '../ops/activations';
import { type AttentionOptions } from '../ops/attention';
import { type AttentionIndex, type AttentionLayout, type AttentionNeeds, maskFor } from '../ops/attentionIndex';
import type { TorchBackend } from './backend';
import { type Slot, aten, atenMany, describe, freeSlot, scalarType, scoped, torch, track, typeOf } from './binding';
import { attendByLengths, hasFlash, uploadLengths } from './packedLengths';
import { type QuantizedSlots, weightArguments } from './quantize';
import { embeddingRows, gradientMode, withoutRecording } from './recorder';
import { attendByRuns, uploadRuns } from './sequenceRuns';

const op = {
  add: aten('add.Tensor'),
  addNumber: aten('add.Scalar'),
  addcmul: aten('addcmul'),
  addmm: aten('addmm'),
  cat: aten('cat'),
  cast: aten('to.dtype'),
  div: aten('div.Tensor'),
  copyInto: aten('copy_'),
  dropout: aten('dropout'),
  embedding: aten('embedding'),
  expand: aten('expand'),
  gelu: aten('gelu'),
  gather: aten('gather'),
  indexSelect: aten('index_select'),
  layerNorm: atenMany('native_layer_norm'),
  linear: aten('linear'),
  logSoftmax: aten('log_softmax.int'),
  matmul: aten('matmul'),
  mm: aten('mm'),
  mul: aten('mul.Tensor'),
  mulNumber: aten('mul.Scalar'),
  norm: aten('linalg_vector_norm'),
  relu: aten('relu'),
  reshape: aten('reshape'),
  rmsNorm: aten('rms_norm'),
  attention: aten('scaled_dot_product_attention'),
  select: aten('select.int'),
  silu: aten('silu'),
  softmax: aten('softmax.int'),
  slice: aten('slice.Tensor'),
  squeeze: aten('squeeze.dim'),
  sub: aten('sub.Tensor'),
  subNumber: aten('sub.Scalar'),
  tanh: aten('tanh'),
  transpose: aten('transpose.int'),
  unsqueeze: aten('unsqueeze'),
  view: aten('view'),
};

function activate(x: Slot, name: ActivationName): Slot {
  switch (name) {
    case 'gelu':
      return op.gelu(x, 'none');
    case 'gelu_tanh':
      return op.gelu(x, 'tanh');
    case 'silu':
      return op.silu(x);
    case 'relu':
      return op.relu(x);
  }
}

/** Brings a slot to another's floating type; the same slot where it has it already. */
function like(x: Slot, other: Slot): Slot {
  const type = typeOf(other);
  return typeOf(x) === type ? x : op.cast(x, type);
}

function asFloat32(x: Slot): Slot {
  return typeOf(x) === scalarType.float32 ? x : op.cast(x, scalarType.float32);
}

/** From this many rows on a weight is a vocabulary's. */
const VOCABULARY_ROWS = 8192;

const oneDnnLinear = aten('mkldnn::_linear_pointwise');

/**
 * x · Wᵀ without gradients. On CPUs oneDNN takes vocabulary-sized weights: its kernel reached 53 GFLOP/s where MKL's, which
 * `aten::linear` calls, reached 36 (128 x 640 times 640 x 262144).
 */
export function plainLinear(backend: TorchBackend, x: Slot, weight: Slot): Slot {
  const { shape, type } = describe(weight);
  const large = backend.device === 'cpu' && type === scalarType.float32 && shape[0] >= VOCABULARY_ROWS;
  return large ? oneDnnLinear(x, weight, undefined, 'none', [], '') : op.linear(x, weight);
}

/** [N, V] → [N]: row n's value at targets[n]. Slots made on the way are the caller's scope's. */
export function selectTargets(values: Slot, targets: Slot): Slot {
  return op.squeeze(op.gather(values, 1, op.unsqueeze(targets, 1)), 1);
}

/** The torch backend's kernels for engine/ops, by name. */
export function fusedKernels(backend: TorchBackend) {
  const slot = (tensor: tf.Tensor): Slot => backend.slotOf(tensor);
  const give = <T extends tf.Tensor>(f: () => Slot): T => backend.tensor<T>(scoped(f));

  /** Rows [T, H, D] → [S, H, longest, D] by the index. */
  const segmented = (x: tf.Tensor3D, rows: tf.Tensor1D, segments: number, longest: number): Slot => {
    const [, heads, width] = x.shape;
    return op.transpose(op.view(op.indexSelect(slot(x), 0, slot(rows)), [segments, longest, heads, width]), 1, 2);
  };

  /** [S, Hk, K, D] → [S, H, K, D]; with one key/value head a view, else a copy. */
  const shared = (x: Slot, groups: number): Slot => {
    if (groups === 1) return x;
    const [segments, heads, length, width] = describe(x).shape;
    const repeated = op.expand(op.unsqueeze(x, 2), [segments, heads, groups, length, width]);
    return op.reshape(repeated, [segments, heads * groups, length, width]);
  };

  /** q [S, H, Q, D], k and v [S, H, K, D], mask broadcast to [S, H, Q, K]. */
  const attention = (q: Slot, k: Slot, v: Slot, mask: Slot, { scale, softcap }: AttentionOptions): Slot => {
    if (!softcap) return op.attention(q, k, v, like(mask, q), 0, false, scale);
    // scaled_dot_product_attention knows no soft cap
    const scores = op.mulNumber(op.matmul(q, op.transpose(k, 2, 3)), scale / softcap);
    const capped = op.add(op.mulNumber(op.tanh(scores), softcap), mask);
    return op.matmul(like(op.softmax(capped, -1, scalarType.float32), v), v);
  };

  const quantizedProduct = (x: Slot, weight: QuantizedSlots, bias: tf.Tensor | undefined): Slot => {
    const product = track(
      torch().quantizedLinear(...weightArguments(weight), typeOf(x) === backend.floating ? x : op.cast(x, backend.floating)),
    );
    return bias ? op.add(product, like(slot(bias), product)) : product;
  };

  return {
    layerNorm: (x: tf.Tensor, weight: tf.Tensor | undefined, bias: tf.Tensor | undefined, epsilon: number): tf.Tensor =>
      give(() => op.layerNorm(slot(x), x.shape.slice(-1), weight && slot(weight), bias && slot(bias), epsilon)[0]),

    rmsNorm: (x: tf.Tensor, weight: tf.Tensor, epsilon: number, offset: 0 | 1): tf.Tensor =>
      give(() => op.rmsNorm(slot(x), weight.shape, offset === 0 ? slot(weight) : op.addNumber(slot(weight), offset), epsilon)),

    activation: (x: tf.Tensor, name: ActivationName): tf.Tensor => give(() => activate(slot(x), name)),

    gated: (gate: tf.Tensor, up: tf.Tensor, name: ActivationName): tf.Tensor => give(() => op.mul(activate(slot(gate), name), slot(up))),

    linear: (x: tf.Tensor2D, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor2D =>
      give(() => {
        const packed = backend.quantizedOf(weight);
        if (packed) return quantizedProduct(slot(x), packed, bias);
        const input = like(slot(x), slot(weight));
        return bias || gradientMode() !== 'off'
          ? op.linear(input, slot(weight), bias && slot(bias))
          : plainLinear(backend, input, slot(weight));
      }),

    conv1d: (x: tf.Tensor2D, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor2D =>
      give(() => {
        const packed = backend.quantizedOf(weight);
        if (packed) return quantizedProduct(slot(x), packed, bias);
        const input = like(slot(x), slot(weight));
        return bias ? op.addmm(slot(bias), input, slot(weight)) : op.mm(input, slot(weight));
      }),

    withoutGradient: (f: () => tf.Tensor1D): tf.Tensor1D => withoutRecording(f),

    mergedNorms: (weight: tf.Tensor, a: tf.Tensor, b: tf.Tensor, scale: number, inputFirst: boolean): tf.Tensor1D =>
      backend.tensor<tf.Tensor1D>(
        withoutRecording(() =>
          scoped(() => {
            const float = (x: tf.Tensor): Slot => asFloat32(slot(x));
            const packed = backend.quantizedOf(weight);
            if (packed) return track(torch().quantizedNorms(...weightArguments(packed), float(a), float(b), scale));
            const own = inputFirst ? op.transpose(float(weight), 0, 1) : float(weight);
            return op.norm(op.addmm(own, float(b), float(a), 1, scale), 2, [1]);
          }),
        ),
      ),

    addDora: (
      output: tf.Tensor2D,
      base: tf.Tensor2D,
      lowRank: tf.Tensor2D,
      magnitude: tf.Tensor,
      norms: tf.Tensor1D,
      scale: number,
    ): tf.Tensor2D =>
      give(() => {
        // near 1: what is left of it after 1 is taken must not be rounded before
        const factor = op.div(asFloat32(slot(magnitude)), slot(norms));
        const own = slot(output);
        const changed = op.addcmul(own, like(slot(base), own), like(op.subNumber(factor, 1), own));
        return op.addcmul(changed, like(slot(lowRank), own), like(op.mulNumber(factor, scale), own));
      }),

    addLowRank: (output: tf.Tensor2D, x: tf.Tensor2D, a: tf.Tensor, b: tf.Tensor, scale: number): tf.Tensor2D =>
      give(() => {
        const inner = op.linear(like(slot(x), slot(a)), slot(a));
        return op.addmm(like(slot(output), inner), inner, op.transpose(slot(b), 0, 1), 1, scale);
      }),

    dropout: (x: tf.Tensor2D, rate: number, seed: number): tf.Tensor2D => {
      torch().seed(seed);
      return give(() => op.dropout(slot(x), rate, true));
    },

    embedding: (ids: tf.Tensor1D, table: tf.Tensor): tf.Tensor2D => {
      if (gradientMode() !== 'segments' || !backend.needsGrad(table)) return give(() => op.embedding(slot(table), slot(ids)));
      const rows = withoutRecording(() => op.embedding(slot(table), slot(ids)));
      return embeddingRows(backend, table, ids, rows) as tf.Tensor2D;
    },

    rotary: (x: tf.Tensor3D, cos: tf.Tensor2D, sin: tf.Tensor2D): tf.Tensor3D =>
      give(() => {
        const half = x.shape[2] / 2;
        const a = op.slice(slot(x), 2, 0, half);
        const b = op.slice(slot(x), 2, half, 2 * half);
        const c = op.unsqueeze(slot(cos), 1);
        const s = op.unsqueeze(slot(sin), 1);
        return like(op.cat([op.sub(op.mul(a, c), op.mul(b, s)), op.add(op.mul(b, c), op.mul(a, s))], 2), slot(x));
      }),

    packedLengths: (layout: AttentionLayout, needs: AttentionNeeds) =>
      hasFlash(backend, layout, needs) ? uploadLengths(backend, layout) : undefined,

    sequenceRuns: (layout: AttentionLayout) => uploadRuns(backend, layout),

    packedAttention: (q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, index: AttentionIndex, options: AttentionOptions): tf.Tensor3D => {
      const query = slot(q);
      if (index.lengths)
        return give(() => {
          // FlashAttention takes no float32; on a CPU, where only tests make lengths, the plain loop over sequences takes any type
          const own = backend.device === 'cpu' || describe(query).type === backend.floating ? query : op.cast(query, backend.floating);
          return attendByLengths(backend, own, like(slot(k), own), like(slot(v), own), index, options);
        });
      if (index.runs) return give(() => attendByRuns(backend, query, like(slot(k), query), like(slot(v), query), index, options));
      const mask = maskFor(index, options);
      return give(() => {
        const { segments, longestQuery, longestKey } = index;
        const [, heads, width] = q.shape;
        const groups = heads / k.shape[1];
        const queries = segmented(q, index.queries, segments, longestQuery);
        const keys = shared(segmented(k, index.keys, segments, longestKey), groups);
        const values = shared(segmented(v, index.keys, segments, longestKey), groups);
        const out = attention(queries, keys, values, slot(mask), options);
        const rows = op.reshape(op.transpose(out, 1, 2), [segments * longestQuery, heads, width]);
        return op.indexSelect(rows, 0, slot(index.results));
      });
    },

    /** In place. */
    cacheWrite: (cache: tf.Tensor4D, place: number, entry: tf.Tensor3D): tf.Tensor4D =>
      give(() => {
        freeSlot(op.copyInto(op.select(slot(cache), 2, place), slot(entry)));
        return backend.alias(cache);
      }),

    selectedLogProbs: (values: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D =>
      give(() => selectTargets(op.logSoftmax(slot(values), 1, scalarType.float32), slot(targets))),
  };
}
