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

export interface AttentionOptions {
  /** Factor on the dot products, usually 1/sqrt(D). */
  scale: number;
  /** Sliding window: a query at position p sees keys at p - window + 1 … p. */
  window?: number;
  /** Soft cap on the scores: cap * tanh(score / cap). */
  softcap?: number;
  /** ALiBi's slope of each head: slope * (key's position - query's position) is added to the scores; the masks hold it already. */
  alibiSlopes?: readonly number[];
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

/** The layout's cumulative lengths where the engine has a kernel for them; undefined elsewhere. */
const packedLengths = fused('packedLengths', (_layout: AttentionLayout): PackedLengths | undefined => undefined);

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

/**
 * Uploads a layout.
 * @param windows the sliding windows that the model's layers use; full attention (0) is always there
 * @param alibiSlopes of a model with ALiBi, a head each
 * @param bias added to all scores, by the longest numbers of queries and keys: [1, H, queries, keys]; no gradient goes back to it
 */
export function attentionIndex(
  layout: AttentionLayout,
  windows: readonly number[] = [],
  alibiSlopes?: readonly number[],
  bias?: (queries: number, keys: number) => tf.Tensor4D,
): AttentionIndex {
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
  const lengths = alibiSlopes || bias ? undefined : packedLengths(layout);
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

/** The masks of the last index that had to do without its lengths: one index's at a time, until another needs its own. */
let late: { index: AttentionIndex; masks: Map<number, tf.Tensor4D> } | undefined;

const ownMask = ({ layout, segments, longestQuery, longestKey }: AttentionIndex, window: number): tf.Tensor4D =>
  packedMask(layout, segments, longestQuery, longestKey, window);

/** A mask for the layer that an index's lengths cannot serve (a soft cap, an odd head width). */
function lateMask(index: AttentionIndex, window: number): tf.Tensor4D {
  if (late?.index !== index) {
    if (late) tf.dispose([...late.masks.values()]);
    late = { index, masks: new Map() };
  }
  const mask = late.masks.get(window) ?? tf.keep(ownMask(index, window));
  late.masks.set(window, mask);
  return mask;
}

/** The mask that a call needs; where `runs` serve every layer, only the plain definition asks for one, and it is made each time. @throws where the index was made for other layers: a bug of ours */
export function maskFor(index: AttentionIndex, options: AttentionOptions): tf.Tensor4D {
  const { masks, alibiSlopes, lengths, runs } = index;
  const window = options.window ?? 0;
  const mask = lengths ? lateMask(index, window) : (masks.get(window) ?? (runs && ownMask(index, window)));
  if (!mask) throw new Error(`internal: no mask for window ${options.window}; name it to attentionIndex`);
  if (alibiSlopes !== options.alibiSlopes) throw new Error('internal: the masks hold other ALiBi slopes than the layer asks for');
  return mask;
}

/** Frees what `attentionIndex` uploaded. */
export function disposeAttentionIndex(index: AttentionIndex): void {
  const { queries, keys, results, masks, lengths, runs } = index;
  tf.dispose([queries, keys, results, ...new Set(masks.values()), ...Object.values({ ...lengths, ...runs })]);
  if (late?.index !== index) return;
  tf.dispose([...late.masks.values()]);
  late = undefined;
}

/** [.., Hk, .., ..] → [.., Hk * groups, .., ..] along axis 1: each key/value head serves `groups` query heads in a row. */
function repeatHeads(x: tf.Tensor4D, groups: number): tf.Tensor4D {
  if (groups === 1) return x;
  const [batch, heads, length, width] = x.shape;
  // a head's values in one row: tfjs knows tile's gradient up to rank 4
  return tf.reshape(tf.tile(tf.reshape(x, [batch, heads, 1, length * width]), [1, 1, groups, 1]), [batch, heads * groups, length, width]);
}

/** softmax(scale · q kᵀ + mask) v. q [S,H,Q,D], k and v [S,Hk,K,D], mask broadcast to [S,H,Q,K]. */
function maskedAttention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, mask: tf.Tensor, options: AttentionOptions): tf.Tensor4D {
  const groups = q.shape[1] / k.shape[1];
  let scores = tf.mul(tf.matMul(q, repeatHeads(k, groups), false, true), options.scale);
  if (options.softcap) scores = tf.mul(tf.tanh(tf.div(scores, options.softcap)), options.softcap);
  return tf.matMul(tf.softmax(tf.add(scores, mask)), repeatHeads(v, groups)) as tf.Tensor4D;
}

/**
 * Causal attention over packed segments.
 * @param q [T, H, D]  @param k [T, Hk, D]  @param v [T, Hk, D], Hk dividing H
 * @returns [T, H, D]
 */
export const packedAttention = fused(
  'packedAttention',
  (q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, index: AttentionIndex, options: AttentionOptions): tf.Tensor3D => {
    const [, heads, width] = q.shape;
    const split = (x: tf.Tensor3D, rows: tf.Tensor1D, longest: number): tf.Tensor4D =>
      tf.transpose(tf.reshape(tf.gather(x, rows), [index.segments, longest, x.shape[1], width]), [0, 2, 1, 3]);
    const mask = maskFor(index, options);
    const out = maskedAttention(
      split(q, index.queries, index.longestQuery),
      split(k, index.keys, index.longestKey),
      split(v, index.keys, index.longestKey),
      mask,
      options,
    );
    return tf.gather(tf.reshape(tf.transpose(out, [0, 2, 1, 3]), [index.segments * index.longestQuery, heads, width]), index.results);
  },
);

/**
 * Writes one place of a cache for every row, and gives the cache back. It may write in place: use the returned tensor alone.
 * @param cache [R, Hk, C, D]  @param place 0 … C-1  @param entry [R, Hk, D]
 */
export const cacheWrite = fused('cacheWrite', (cache: tf.Tensor4D, place: number, entry: tf.Tensor3D): tf.Tensor4D => {
  const [rows, heads, places, width] = cache.shape;
  return tf.concat(
    [
      tf.slice(cache, [0, 0, 0, 0], [rows, heads, place, width]),
      tf.expandDims(entry, 2),
      tf.slice(cache, [0, 0, place + 1, 0], [rows, heads, places - place - 1, width]),
    ],
    2,
  ) as tf.Tensor4D;
});
