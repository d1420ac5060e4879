import type { BatchSize } from '../../datasets/padBatch';
import { fits } from '../../datasets/padBatch';
import { lengthBuckets } from '../../trainer/lengthBuckets';
import { randomStream } from '../../util/random';

const random = randomStream(8);
const sized = (rows: number): BatchSize => ({ pairs: 2, rows, keys: rows + 5, targets: 4, missing: 0, longest: rows });
const added = (rows: readonly number[], ends: readonly number[]): number =>
  rows.reduce((sum, row) => sum + Math.min(...ends.filter((end) => end >= row)) - row, 0);

test('the least padding that so many sizes allow', () => {
  for (let round = 0; round < 20; round++) {
    const rows = Array.from({ length: 12 }, () => 1 + Math.floor(random() * 60));
    const largest = Math.max(...rows);
    // every choice of two smaller sizes beside the largest
    let least = Infinity;
    for (const a of rows) for (const b of rows) least = Math.min(least, added(rows, [a, b, largest]));
    const found = lengthBuckets(rows.map(sized), 3);
    expect(found.length).toBeLessThanOrEqual(3);
    // a row is there for the padding's own segment
    expect(added(rows, found.map((size) => size.rows - 1))).toBe(least); // prettier-ignore
  }
});

test('every batch fits one of them, also where there are more batches than places to divide them', () => {
  const sizes = Array.from({ length: 300 }, () => sized(1 + Math.floor(random() * 500)));
  const buckets = lengthBuckets(sizes, 4);
  expect(buckets.map(({ rows }) => rows)).toEqual([...buckets.map(({ rows }) => rows)].sort((a, b) => a - b));
  for (const size of sizes) expect(buckets.some((bucket) => fits(size, bucket))).toBe(true);
});

test('one batch, one size', () => expect(lengthBuckets([sized(7)], 4).map(({ rows }) => rows)).toEqual([8]));
