import type * as tf from '@tensorflow/tfjs-core';
import type { AttentionOptions } from '../ops/attention';
import type { AttentionIndex, AttentionLayout, AttentionNeeds, PackedLengths } from '../ops/attentionIndex';
import type { TorchBackend } from './backend';
import { type Slot, scalarType, torch, track } from './binding';

/** Compute capability from which FlashAttention runs: Ampere. */
const FLASH_CAPABILITY = 80;

/** FlashAttention's widest head. */
const FLASH_WIDTH = 256;

/** Whether rows are all rows in order. */
export const isIdentity = (rows: Int32Array, length: number): boolean => rows.length === length && rows.every((row, i) => row === i);

function starts(lengths: Int32Array): Int32Array {
  const sums = new Int32Array(lengths.length + 1);
  lengths.forEach((length, i) => (sums[i + 1] = sums[i] + length));
  return sums;
}

/** [T, M], M the most uses of a row: where row t stands in `keyRows`, and `keyRows.length` where it has fewer uses. */
export function usesOfRows(keyRows: Int32Array, rows: number): { uses: Int32Array; most: number } {
  const counts = new Int32Array(rows);
  for (const row of keyRows) counts[row]++;
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  const uses = new Int32Array(rows * most).fill(keyRows.length);
  counts.fill(0);
  keyRows.forEach((row, place) => (uses[row * most + counts[row]++] = place));
  return { uses, most };
}

/** Uploads a layout as cumulative lengths; undefined where queries are not in the order of their rows, or see more than a causal mask lets them. */
export function uploadLengths(backend: TorchBackend, layout: AttentionLayout): PackedLengths | undefined {
  if (layout.bidirectional || !isIdentity(layout.queryRows, layout.rows)) return undefined;
  const upload = <T extends tf.Tensor>(values: Int32Array, shape: number[], stored: number): T =>
    backend.tensor(torch().fromBytes(values, scalarType.int32, shape, stored, backend.device));
  const { uses, most } = usesOfRows(layout.keyRows, layout.rows);
  const segments = layout.queryLengths.length;
  return {
    queryStarts: upload(starts(layout.queryLengths), [segments + 1], scalarType.int32),
    keyStarts: upload(starts(layout.keyLengths), [segments + 1], scalarType.int32),
    ...(!isIdentity(layout.keyRows, layout.rows) && {
      keyRows: upload<tf.Tensor1D>(layout.keyRows, [layout.keyRows.length], scalarType.int64),
      keyUses: upload<tf.Tensor2D>(uses, [layout.rows, most], scalarType.int64),
    }),
  };
}

/**
 * Whether FlashAttention runs on the backend's device, at its precision, for such layers: it knows no soft cap, and no gradient with ALiBi. One
 * query a sequence takes a path of its own in the kernel, which grouped queries cannot go back through.
 */
export function hasFlash(
  backend: TorchBackend,
  { queryLengths }: AttentionLayout,
  { headWidth = 0, attentionSoftcap }: AttentionNeeds,
): boolean {
  if (backend.device === 'cpu' || backend.floating === scalarType.float32 || attentionSoftcap) return false;
  const fits = headWidth > 0 && headWidth % 8 === 0 && headWidth <= FLASH_WIDTH && queryLengths.some((queries) => queries > 1);
  return fits && torch().capability(backend.device) >= FLASH_CAPABILITY;
}

/** Packed attention over cumulative lengths. q [T, H, D], k and v [T, Hk, D] of one type → [T, H, D]. */
export function attendByLengths(backend: TorchBackend, q: Slot, k: Slot, v: Slot, index: AttentionIndex, options: AttentionOptions): Slot {
  const { queryStarts, keyStarts, keyRows, keyUses } = index.lengths!;
  const slot = (tensor: { dataId: object } | undefined): Slot | undefined => tensor && backend.slotOf(tensor);
  const { longestQuery, longestKey } = index;
  const rows = [slot(keyRows), slot(keyUses), backend.slotOf(queryStarts), backend.slotOf(keyStarts)] as const;
  return track(torch().packedAttention(q, k, v, ...rows, longestQuery, longestKey, options.scale, options.window ?? 0));
}
