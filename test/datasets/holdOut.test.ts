import { holdOut } from '../../datasets/holdOut';

test('a seeded share is held back, rounded up, the rest kept, each in order', () => {
  const { train, heldOut } = holdOut(101, 0.05, 3);
  expect([train.length, heldOut.length]).toEqual([95, 6]);
  const ascending = (places: number[]): number[] => [...places].sort((a, b) => a - b);
  expect([train, heldOut]).toEqual([ascending(train), ascending(heldOut)]);
  expect(ascending([...train, ...heldOut])).toEqual(Array.from({ length: 101 }, (_, i) => i));
  expect(holdOut(101, 0.05, 3)).toEqual({ train, heldOut });
  expect(holdOut(101, 0.05, 4).heldOut).not.toEqual(heldOut);
  // not simply the last ones, or the first
  expect(heldOut.at(-1)! - heldOut[0]).toBeGreaterThan(30);
});

// python -c "from datasets import Dataset; [print(n, f, Dataset.from_dict({'a': [0] * n}).train_test_split(test_size=f)['test'].num_rows) for n, f in …]" with datasets 5.2
test.each([
  [101, 0.05, 6],
  [100, 0.05, 5],
  [20, 0.01, 1],
  [100, 0.07, 8],
  [3, 0.6, 2],
])('of %d pairs %d are %d, as train_test_split counts them', (count, fraction, held) => {
  expect(holdOut(count, fraction, 0).heldOut.length).toBe(held);
});
