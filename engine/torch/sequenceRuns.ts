import type * as tf from '@tensorflow/tfjs-core';
import type { AttentionOptions } from '../ops/attention';
import type { AttentionIndex, AttentionLayout, SequenceRuns } from '../ops/attentionIndex';
import type { TorchBackend } from './backend';
import { type Slot, scalarType, torch, track } from './binding';
import { isIdentity } from './packedLengths';

/** A layout as numbers: see `SequenceRuns`. @returns undefined where queries are not in the order of their rows */
export function runsOf(layout: AttentionLayout): Record<keyof SequenceRuns, number[]> | undefined {
  const { queryLengths, keyLengths, keyRows } = layout;
  if (!isIdentity(layout.queryRows, layout.rows)) return undefined;
  const segments: number[] = [];
  const runs: number[] = [];
  const spans: [first: number, last: number][] = [];
  for (let s = 0, query = 0, key = 0; s < queryLengths.length; query += queryLengths[s++]) {
    const firstRun = runs.length / 2;
    const span: [number, number] = [Infinity, -1];
    for (let end = key + keyLengths[s]; key < end;) {
      const from = key;
      while (++key < end && keyRows[key] === keyRows[key - 1] + 1);
      runs.push(keyRows[from], key - from);
      [span[0], span[1]] = [Math.min(span[0], keyRows[from]), Math.max(span[1], keyRows[key - 1])];
    }
    spans.push(span);
    segments.push(query, queryLengths[s], keyLengths[s], firstRun, runs.length / 2 - firstRun);
  }
  // a segment begins a group where no row of it or of a later one lies before the end of all earlier ones
  const later: number[] = [];
  spans.reduceRight((first, span, s) => (later[s] = Math.min(first, span[0])), Infinity);
  const groups: number[] = [];
  spans.reduce((end, span, s) => {
    if (later[s] > end) groups.push(s);
    return Math.max(end, span[1]);
  }, -1);
  return { segments, runs, groups: [...groups, spans.length] };
}

/** Uploads a layout as runs of rows, where the CPU's kernel for them is there. */
export function uploadRuns(backend: TorchBackend, layout: AttentionLayout): SequenceRuns | undefined {
  const plain = backend.device === 'cpu' && backend.floating === scalarType.float32 && torch().hasBlas() ? runsOf(layout) : undefined;
  if (!plain) return undefined;
  const upload = <T extends tf.Tensor>(values: number[], shape: number[]): T =>
    backend.tensor(torch().fromBytes(Int32Array.from(values), scalarType.int32, shape, scalarType.int32, backend.device));
  return {
    segments: upload(plain.segments, [plain.segments.length / 5, 5]),
    runs: upload(plain.runs, [plain.runs.length / 2, 2]),
    groups: upload(plain.groups, [plain.groups.length]),
  };
}

/** Packed attention over runs of rows. q [T, H, D], k and v [T, Hk, D], float32 → [T, H, D]. */
export function attendByRuns(backend: TorchBackend, q: Slot, k: Slot, v: Slot, index: AttentionIndex, options: AttentionOptions): Slot {
  const { segments, runs, groups } = index.runs!;
  const rows = [segments, runs, groups].map((tensor) => backend.slotOf(tensor)) as [Slot, Slot, Slot];
  return track(
    torch().runsAttention(q, k, v, ...rows, options.scale, options.window ?? 0, !index.layout.bidirectional, options.softcap ?? 0),
  );
}
