/**
 * Sequences in batches of packed rows, by index: longest first, so that similar lengths share a batch and too little memory shows at once.
 * @param lengths rows of each sequence
 * @param shortest shorter ones are left out
 * @param rowsAtOnce rows of a batch, unless a single sequence is longer
 */
export function lengthBatches(lengths: readonly number[], shortest: number, rowsAtOnce: number): number[][] {
  const order = lengths.map((_, i) => i).filter((i) => lengths[i] >= shortest);
  order.sort((a, b) => lengths[b] - lengths[a] || a - b);
  const batches: number[][] = [];
  let rows = Infinity;
  for (const i of order) {
    rows += lengths[i];
    if (rows > rowsAtOnce) {
      batches.push([]);
      rows = lengths[i];
    }
    batches.at(-1)!.push(i);
  }
  return batches;
}
