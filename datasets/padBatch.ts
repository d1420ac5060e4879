import { packedRows } from './pack';
import type { PackedBatch, TokenizedPair } from './types';

/** How large a packed batch of B pairs is, or may be: batches padded to one size have tensors of one shape. */
export interface BatchSize {
  pairs: number;
  /** T, K and N of `PackedBatch`: packed tokens, keys of all segments together, predicted tokens. */
  rows: number;
  keys: number;
  targets: number;
  /** Completions of one token after a prompt of its own: they have no segment. */
  missing: number;
  /** Keys of the longest segment. */
  longest: number;
}

/** The size of the batch that `packPairs` makes of these. */
export function batchSize(pairs: readonly TokenizedPair[]): BatchSize {
  const size = { pairs: pairs.length, rows: 0, keys: 0, targets: 0, missing: 0, longest: 0 };
  for (const pair of pairs) {
    const { prompt, chosen, rejected } = pair;
    const segments = [prompt.length + chosen.length - 1, rejected.length > 1 ? prompt.length + rejected.length - 1 : 0];
    size.rows += packedRows(pair);
    size.keys += segments[0] + segments[1];
    size.targets += chosen.length + rejected.length;
    size.missing += rejected.length > 1 ? 0 : 1;
    size.longest = Math.max(size.longest, ...segments);
  }
  return size;
}

/** Rows with padding: one for each missing segment, and one at least for the segment of the rest. */
const leastRows = ({ rows, missing }: BatchSize): number => rows + missing + 1;

/** The least size that each of the batches, of as many pairs, can be padded to. */
export function commonSize(sizes: readonly BatchSize[]): BatchSize {
  const most = (of: (size: BatchSize) => number): number => sizes.reduce((largest, size) => Math.max(largest, of(size)), 0);
  const rows = most(leastRows);
  const keys = most((size) => size.keys + rows - size.rows);
  return {
    pairs: sizes[0].pairs,
    rows,
    keys,
    targets: most(({ targets }) => targets),
    missing: 0,
    longest: most((size) => Math.max(size.longest, keys - size.keys - size.missing)),
  };
}

/** Whether a batch can be padded to a size. */
export function fits(batch: BatchSize, size: BatchSize): boolean {
  const padKeys = size.keys - batch.keys;
  return (
    batch.pairs === size.pairs &&
    leastRows(batch) <= size.rows &&
    batch.targets <= size.targets &&
    padKeys >= size.rows - batch.rows &&
    Math.max(batch.longest, padKeys - batch.missing) <= size.longest
  );
}

/**
 * The batch with rows, keys and targets up to a size that it `fits`. What is added forms segments of its own, so that there are 2 B + 1,
 * and its targets belong to sequence 2 B, which no loss reads: values and gradients stay as they were.
 */
export function padBatch(batch: PackedBatch, size: BatchSize): PackedBatch {
  const { pairs, layout } = batch;
  const [rows, targets] = [layout.rows, batch.targets.length];
  const missing = 2 * pairs - layout.queryLengths.length;
  const [addedRows, addedKeys] = [size.rows - rows, size.keys - layout.keyRows.length];
  if (addedRows < missing + 1 || addedKeys < addedRows || targets > size.targets) throw new Error('internal: a batch that does not fit');
  const own = Array.from({ length: addedRows }, (_, i) => rows + i);
  // no row becomes a key more than twice, which kernels pay for
  const twice = keysOfOneUse([...layout.keyRows, ...own], size.rows, addedKeys - addedRows);
  const last = size.rows - 1;
  return {
    pairs,
    tokens: extended(batch.tokens, size.rows, 0),
    positions: extended(batch.positions, size.rows, 0),
    layout: {
      rows: size.rows,
      queryRows: Int32Array.from([...layout.queryRows, ...own]),
      queryLengths: Int32Array.from([...layout.queryLengths, ...Array<number>(missing).fill(1), addedRows - missing]),
      keyRows: Int32Array.from([...layout.keyRows, ...own.slice(0, missing), ...twice, ...own.slice(missing)]),
      keyLengths: Int32Array.from([...layout.keyLengths, ...Array<number>(missing).fill(1), addedKeys - missing]),
      longest: size.longest,
    },
    predictors: extended(batch.predictors, size.targets, last),
    targets: extended(batch.targets, size.targets, 0),
    sequences: extended(batch.sequences, size.targets, 2 * pairs),
  };
}

function extended(values: Int32Array, length: number, filler: number): Int32Array {
  const longer = new Int32Array(length).fill(filler);
  longer.set(values);
  return longer;
}

/** `count` of the rows that are a key once: the last. There are enough in a batch that `fits`: it has fewer prompt rows than the size has rows. */
function keysOfOneUse(keyRows: readonly number[], rows: number, count: number): number[] {
  const uses = new Int32Array(rows);
  for (const row of keyRows) uses[row]++;
  const found: number[] = [];
  for (let row = rows - 1; row >= 0 && found.length < count; row--) if (uses[row] === 1) found.push(row);
  if (found.length < count) throw new Error('internal: too few rows that are a key once');
  return found.reverse();
}
