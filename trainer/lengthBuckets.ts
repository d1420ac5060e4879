import { commonSize, type BatchSize } from '../datasets/padBatch';

/** Sizes that batches are padded to, the smallest first: at most `most` of them, chosen so that little padding is added. */
export function lengthBuckets(sizes: readonly BatchSize[], most: number): BatchSize[] {
  const sorted = [...sizes].sort((a, b) => a.rows - b.rows);
  // groups of the sorted batches begin and end at these places alone
  const cuts = [...new Set(Array.from({ length: CUTS + 1 }, (_, i) => Math.round((i * sorted.length) / CUTS)))];
  const rowsBefore = prefixSums(sorted.map(({ rows }) => rows));
  const padding = (from: number, to: number): number => (to - from) * sorted[to - 1].rows - (rowsBefore[to] - rowsBefore[from]);
  // best[c]: the least padding of the batches before cut c in so many groups, and where the last of these begins
  let best = cuts.map((to) => ({ added: to === 0 ? 0 : Infinity, ends: [] as number[] }));
  for (let groups = 0; groups < most; groups++) {
    best = cuts.map((to, c) => {
      let least = best[c];
      for (let b = 0; b < c; b++) {
        const added = best[b].added + padding(cuts[b], to);
        if (added < least.added) least = { added, ends: [...best[b].ends, to] };
      }
      return least;
    });
  }
  const { ends } = best[best.length - 1];
  return ends.map((end, i) => commonSize(sorted.slice(i === 0 ? 0 : ends[i - 1], end)));
}

/** Places at which the sorted batches may be divided. */
const CUTS = 64;

/** [0, x0, x0 + x1, …] */
function prefixSums(values: readonly number[]): number[] {
  const sums = [0];
  for (const value of values) sums.push(sums[sums.length - 1] + value);
  return sums;
}
