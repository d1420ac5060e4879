import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';
import { withAlibi } from './alibi';

/**
 * Which packed rows attend to which: S segments (sequences), each with its query rows and its key rows. A row may be a key
 * of several segments (a prompt shared by its chosen and rejected completions) and is the query of exactly one.
 * Causal, aligned at the end: query i of a segment with Lq queries and Lk keys sees keys 0 … Lk - Lq + i; or, as in encoders, all of them.
 */
export interface AttentionLayout {
  /** T: packed rows. */
  rows: number;
  /** Rows of each segment's queries, segment after segment, without padding; [T] in all, a permutation of the rows. */
  queryRows: Int32Array;
  /** Queries a segment, [S]. */
  queryLengths: Int32Array;
  /** Rows of each segment's keys, in sequence order, segment after segment, without padding. */
  keyRows: Int32Array;
  /** Keys a segment, [S], each at least the segment's queries. */
  keyLengths: Int32Array;
  /** A length that no segment exceeds; by default the longest one's. Layouts that agree in it and in all their sizes have tensors of one shape. */
  longest?: number;
  /** Every query of a segment sees all of its keys; windows and ALiBi are for causal layouts alone. */
  bidirectional?: true;
}

/** What a model's layers ask of attention, as far as an index or the choice of a kernel depends on it; `BaseConfig` has these. */
export interface AttentionNeeds {
  /** The sliding windows that layers use; full attention (0) is always there. */
  windows?: readonly number[];
  /** Of a model with ALiBi, a head each. */
  alibiSlopes?: readonly number[];
  /** The soft cap on the scores, where layers have one. */
  attentionSoftcap?: number;
  /** D */
  headWidth?: number;
  /** Added to all scores, by the longest numbers of queries and keys: [1, H, queries, keys]; no gradient goes back to it. */
  bias?: (queries: number, keys: number) => tf.Tensor4D;
}

/** A layout as cumulative lengths, for kernels that take them. */
export interface PackedLengths {
  /** int32 [S + 1]: where each segment's queries, and its keys, begin; the last is their number. */
  queryStarts: tf.Tensor1D;
  keyStarts: tf.Tensor1D;
  /** int32 [K]: the layout's `keyRows`; none where those are all rows in order. */
  keyRows?: tf.Tensor1D;
  /** int32 [T, M]: the places of row t in `keyRows`, filled up with K. */
  keyUses?: tf.Tensor2D;
}

/** A layout as runs of rows that lie one after the other, for kernels that read keys where they are. */
export interface SequenceRuns {
  /** int32 [S, 5]: a segment's first query row, queries, keys, first run, runs. */
  segments: tf.Tensor2D;
  /** int32 [R, 2]: first row, rows. */
  runs: tf.Tensor2D;
  /** int32 [G + 1]: the first segment of each group of segments that may share rows; the last is their number. */
  groups: tf.Tensor1D;
}

/** The layout's cumulative lengths where the engine has a kernel that serves such layers by them; undefined elsewhere. */
const packedLengths = fused('packedLengths', (_layout: AttentionLayout, _needs: AttentionNeeds): PackedLengths | undefined => undefined);

/** The layout's runs where the engine has a kernel for them; undefined elsewhere. */
const sequenceRuns = fused('sequenceRuns', (_layout: AttentionLayout): SequenceRuns | undefined => undefined);

/** A layout on the engine's device, made once a batch and used by every layer. */
export interface AttentionIndex {
  layout: AttentionLayout;
  segments: number;
  longestQuery: number;
  longestKey: number;
  /** int32 [S * longestQuery], padding points at row 0. */
  queries: tf.Tensor1D;
  /** int32 [S * longestKey], padding points at row 0. */
  keys: tf.Tensor1D;
  /** int32 [T]: where row t's result lies in [S * longestQuery]. */
  results: tf.Tensor1D;
  /**
   * Additive masks float32 [S, 1, longestQuery, longestKey] by window (0: none): 0 where seen, MASKED elsewhere. With ALiBi
   * [S, H, longestQuery, longestKey], the biases in them. None where `lengths` or `runs` serve: see `maskFor`.
   */
  masks: ReadonlyMap<number, tf.Tensor4D>;
  lengths?: PackedLengths;
  runs?: SequenceRuns;
  alibiSlopes?: readonly number[];
}

/** Added to scores that must not be seen: large enough to vanish in a softmax, small enough to stay finite. */
export const MASKED = -1e30;

/** Uploads a layout for layers with these needs. */
export function attentionIndex(layout: AttentionLayout, needs: AttentionNeeds = {}): AttentionIndex {
  const { windows = [], alibiSlopes, bias } = needs;
  const segments = layout.queryLengths.length;
  const longestQuery = layout.longest ?? Math.max(1, ...layout.queryLengths);
  const longestKey = layout.longest ?? Math.max(1, ...layout.keyLengths);
  const queries = new Int32Array(segments * longestQuery);
  const keys = new Int32Array(segments * longestKey);
  const results = new Int32Array(layout.rows);
  for (let s = 0, q = 0, k = 0; s < segments; s++) {
    for (let i = 0; i < layout.queryLengths[s]; i++, q++) {
      queries[s * longestQuery + i] = layout.queryRows[q];
      results[layout.queryRows[q]] = s * longestQuery + i;
    }
    for (let i = 0; i < layout.keyLengths[s]; i++, k++) keys[s * longestKey + i] = layout.keyRows[k];
  }
  const lengths = alibiSlopes || bias ? undefined : packedLengths(layout, needs);
  const runs = alibiSlopes || bias || lengths ? undefined : sequenceRuns(layout);
  // a window that no segment outgrows is full attention
  if (layout.bidirectional && (windows.length > 0 || alibiSlopes))
    throw new Error('internal: a bidirectional layout has no window and no ALiBi');
  const effective = lengths || runs ? [] : [...new Set([0, ...windows])];
  const biased = (mask: tf.Tensor4D): tf.Tensor4D => {
    if (!bias) return mask;
    const sum = tf.tidy(() => tf.add<tf.Tensor4D>(mask, bias(longestQuery, longestKey)));
    mask.dispose();
    return sum;
  };
  const masks = new Map<number, tf.Tensor4D>();
  for (const window of effective) {
    const full = masks.get(0);
    masks.set(
      window,
      window >= longestKey && full ? full : biased(packedMask(layout, segments, longestQuery, longestKey, window, alibiSlopes)),
    );
  }
  return {
    layout,
    segments,
    longestQuery,
    longestKey,
    queries: tf.tensor1d(queries, 'int32'),
    keys: tf.tensor1d(keys, 'int32'),
    results: tf.tensor1d(results, 'int32'),
    masks,
    ...(lengths && { lengths }),
    ...(runs && { runs }),
    ...(alibiSlopes && { alibiSlopes }),
  };
}

function packedMask(
  layout: AttentionLayout,
  segments: number,
  longestQuery: number,
  longestKey: number,
  window: number,
  alibiSlopes?: readonly number[],
): tf.Tensor4D {
  const shape: [number, number, number, number] = [segments, 1, longestQuery, longestKey];
  const distances = new Float32Array(alibiSlopes ? segments * longestQuery * longestKey : 0);
  const mask = new Float32Array(segments * longestQuery * longestKey).fill(MASKED);
  for (let s = 0; s < segments; s++) {
    const offset = layout.keyLengths[s] - layout.queryLengths[s];
    for (let i = 0; i < longestQuery; i++) {
      const row = (s * longestQuery + i) * longestKey;
      // a padded query sees key 0: a row of nothing but MASKED would be a mean over padding, harmless but slower to reason about
      const own = layout.bidirectional ? layout.keyLengths[s] - 1 : offset + i;
      const last = i < layout.queryLengths[s] ? own : 0;
      const first = window > 0 ? Math.max(0, last - window + 1) : 0;
      mask.fill(0, row + first, row + last + 1);
      if (alibiSlopes) for (let k = first; k <= last; k++) distances[row + k] = k - last;
    }
  }
  return tf.tidy(() => {
    const plain = tf.tensor4d(mask, shape);
    return alibiSlopes ? withAlibi(plain, tf.tensor4d(distances, shape), alibiSlopes) : plain;
  });
}

const ownMask = ({ layout, segments, longestQuery, longestKey }: AttentionIndex, window: number): tf.Tensor4D =>
  packedMask(layout, segments, longestQuery, longestKey, window);

/** The mask that a call needs; where `lengths` or `runs` serve every layer, only the plain definition asks for one, and it is made each time. @throws where the index was made for other layers: a bug of ours */
export function maskFor(index: AttentionIndex, options: { window?: number; alibiSlopes?: readonly number[] }): tf.Tensor4D {
  const { masks, alibiSlopes, lengths, runs } = index;
  const window = options.window ?? 0;
  const mask = masks.get(window) ?? (lengths || runs ? ownMask(index, window) : undefined);
  if (!mask) throw new Error(`internal: no mask for window ${options.window}; name it to attentionIndex`);
  if (alibiSlopes !== options.alibiSlopes) throw new Error('internal: the masks hold other ALiBi slopes than the layer asks for');
  return mask;
}

/** Frees what `attentionIndex` uploaded. */
export function disposeAttentionIndex(index: AttentionIndex): void {
  const { queries, keys, results, masks, lengths, runs } = index;
  tf.dispose([queries, keys, results, ...new Set(masks.values()), ...Object.values({ ...lengths, ...runs })]);
}
