import { truncatePair } from '../../datasets/truncatePair';
import type { TokenizedPair } from '../../datasets/types';

const pair: TokenizedPair = { prompt: Int32Array.of(5, 6, 7), chosen: Int32Array.of(10, 11, 12, 1), rejected: Int32Array.of(20, 1) };
const lists = (cut: TokenizedPair | null) => cut && [[...cut.prompt], [...cut.chosen], [...cut.rejected]];

test('the longer completion loses its end, the shorter one stays', () => {
  expect(lists(truncatePair(pair, 6))).toEqual([
    [5, 6, 7],
    [10, 11, 12],
    [20, 1],
  ]);
});

test('both are cut to one token where the prompt leaves room for no more', () => {
  expect(lists(truncatePair(pair, 4))).toEqual([[5, 6, 7], [10], [20]]);
});

test.each([7, 8, 0])('a pair that fits stays itself: %i', (maxLength) => {
  expect(truncatePair(pair, maxLength)).toBe(pair);
});

test.each([3, 2, 1])('nothing is left where the prompt alone fills the length: %i', (maxLength) => {
  expect(truncatePair(pair, maxLength)).toBeNull();
});
