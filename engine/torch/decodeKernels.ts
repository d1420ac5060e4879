import type * as tf from '@tensorflow/tfjs-core';
import type { AttentionOptions } from '../ops/attention';
import { type Prefix, type RowGroups, type Suffix, sharedPrefixAttention } from '../ops/sharedPrefixAttention';
import type { SamplingOptions } from '../ops/nucleusSearch';
import { nucleusTokens } from '../ops/sampling';
import type { TorchBackend } from './backend';
import { type Slot, aten, atenMany, describe, scalarType, scoped, torch, typeOf } from './binding';

const op = {
  add: aten('add.Tensor'),
  baddbmm: aten('baddbmm'),
  cat: aten('cat'),
  cast: aten('to.dtype'),
  expand: aten('expand'),
  flashOnCpu: atenMany('_scaled_dot_product_flash_attention_for_cpu'),
  indexSelect: aten('index_select'),
  logSumExp: aten('logsumexp'),
  matmul: aten('matmul'),
  mul: aten('mul.Tensor'),
  mulNumber: aten('mul.Scalar'),
  reshape: aten('reshape'),
  slice: aten('slice.Tensor'),
  softmax: aten('softmax.int'),
  transpose: aten('transpose.int'),
  unsqueeze: aten('unsqueeze'),
  view: aten('view'),
};

/** Kernels for decoding with a cache, by name. No gradients pass through them. */
export function decodeKernels(backend: TorchBackend) {
  const slot = (tensor: tf.Tensor): Slot => backend.slotOf(tensor);
  const asType = (x: Slot, type: number): Slot => (typeOf(x) === type ? x : op.cast(x, type));

  /** Attention [P, Hk, Q, D], and the logarithm of each query's sum of exponentials, float32 [P, Hk, Q]. */
  const attended = (queries: Slot, keys: Slot, values: Slot, mask: Slot, scale: number): [Slot, Slot] => {
    const type = typeOf(queries);
    if (backend.device === 'cpu') {
      const [out, sums] = op.flashOnCpu(queries, keys, values, 0, false, asType(mask, type), scale);
      return [out, sums];
    }
    const scores = op.add(op.mulNumber(op.matmul(queries, op.transpose(keys, 2, 3)), scale), mask);
    return [
      op.matmul(asType(op.softmax(scores, 3, scalarType.float32), type), values),
      op.logSumExp(asType(scores, scalarType.float32), [3]),
    ];
  };

  return {
    nucleusTokens: (logits: tf.Tensor2D, uniforms: Float64Array, rows: Int32Array, options: SamplingOptions): Int32Array | undefined => {
      if (backend.device !== 'cpu' || typeOf(slot(logits)) !== scalarType.float32)
        return nucleusTokens.plain(logits, uniforms, rows, options);
      const tokens = new Int32Array(uniforms.length);
      return torch().sampleNucleus(slot(logits), uniforms, rows, options.temperature, options.topP, tokens) ? tokens : undefined;
    },

    /*
     * The two parts apart, merged by their sums s of exponentials: out = w prefix + the suffix's own sum, where w is the softmax of
     * log s of the prefix beside the suffix's scores.
     */
    sharedPrefixAttention: (q: tf.Tensor3D, prefix: Prefix, suffix: Suffix, groups: RowGroups, options: AttentionOptions): tf.Tensor3D => {
      // no fused attention knows a soft cap
      if (options.softcap) return sharedPrefixAttention.plain(q, prefix, suffix, groups, options);
      const [rows, heads, width] = q.shape;
      const [, keyHeads] = prefix.keys.shape;
      const perKey = heads / keyHeads;
      const { prompts, largest, uneven } = groups;
      const seen = suffix.end - suffix.first;
      /** [P, Hk, G * g, W] → [R, Hk * g * W], in any split of the last axis. */
      const ungrouped = (x: Slot, w: number): Slot => {
        const split = op.transpose(op.view(x, [prompts, keyHeads, largest, perKey * w]), 1, 2);
        const placed = op.reshape(split, [prompts * largest, heads * w]);
        return uneven ? op.indexSelect(placed, 0, slot(uneven.places)) : placed;
      };
      const result = scoped(() => {
        const type = typeOf(slot(q));
        const placed = uneven ? op.indexSelect(slot(q), 0, slot(uneven.members)) : slot(q);
        const split = op.transpose(op.reshape(placed, [prompts, largest, keyHeads, perKey * width]), 1, 2);
        const queries = op.reshape(split, [prompts, keyHeads, largest * perKey, width]);
        const [out, sums] = attended(queries, slot(prefix.keys), slot(prefix.values), groupedMask(slot(prefix.mask)), options.scale);

        const own = (cache: tf.Tensor4D): Slot =>
          op.slice(op.view(slot(cache), [rows * keyHeads, cache.shape[2], width]), 1, suffix.first, suffix.end);
        const single = op.reshape(slot(q), [rows * keyHeads, perKey, width]);
        let scores = op.mulNumber(op.matmul(single, op.transpose(own(suffix.keys), 1, 2)), options.scale);
        if (suffix.bias) {
          const byHead = op.view(scores, [rows, keyHeads, perKey, seen]);
          const bias = op.view(slot(suffix.bias), [1, keyHeads, perKey, seen]);
          scores = op.view(op.add(byHead, bias), [rows * keyHeads, perKey, seen]);
        }
        const whole = op.view(ungrouped(op.reshape(sums, [prompts, keyHeads, largest * perKey]), 1), [rows * keyHeads, perKey, 1]);
        const weights = op.softmax(op.cat([whole, asType(scores, scalarType.float32)], 2), 2);
        const toPrefix = asType(op.slice(weights, 2, 0, 1), type);
        const toSuffix = asType(op.slice(weights, 2, 1, 1 + seen), type);
        const prefixOut = op.view(ungrouped(op.reshape(out, [prompts, keyHeads, largest * perKey, width]), width), [
          rows * keyHeads,
          perKey,
          width,
        ]);
        return op.view(op.baddbmm(op.mul(prefixOut, toPrefix), toSuffix, own(suffix.values)), [rows, heads, width]);
      });
      return backend.tensor<tf.Tensor3D>(result);

      /** [P, H, 1, L] → [P, Hk, G * g, L]; a mask for all heads stays as it is. */
      function groupedMask(mask: Slot): Slot {
        const { shape } = describe(mask);
        if (shape[1] === 1) return mask;
        const places = shape[3];
        const each = op.expand(op.unsqueeze(op.view(mask, [prompts, keyHeads, perKey, places]), 2), [
          prompts,
          keyHeads,
          largest,
          perKey,
          places,
        ]);
        return op.reshape(each, [prompts, keyHeads, largest * perKey, places]);
      }
    },
  };
}
