import { packedRows, packPairs } from '../../datasets/pack';
import type { TokenizedPair } from '../../datasets/types';

const pair = (prompt: number[], chosen: number[], rejected: number[]): TokenizedPair => ({
  prompt: Int32Array.from(prompt),
  chosen: Int32Array.from(chosen),
  rejected: Int32Array.from(rejected),
});

test('two pairs by hand: rows, positions, segments, predictors', () => {
  const batch = packPairs([pair([1, 11, 12], [21, 22, 2], [31, 2]), pair([1], [41, 2], [51, 52, 53, 2])]);
  expect(batch).toEqual({
    pairs: 2,
    //                        pair 0: prompt, chosen, rejected     | pair 1
    //                        row 0  1   2    3   4    5    6    7    8   9   10
    tokens: Int32Array.from([1, 11, 12, 21, 22, 31, 1, 41, 51, 52, 53]),
    positions: Int32Array.from([0, 1, 2, 3, 4, 3, 0, 1, 1, 2, 3]),
    layout: {
      rows: 11,
      queryRows: Int32Array.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
      queryLengths: Int32Array.from([5, 1, 2, 3]),
      keyRows: Int32Array.from([0, 1, 2, 3, 4, 0, 1, 2, 5, 6, 7, 6, 8, 9, 10]),
      keyLengths: Int32Array.from([5, 4, 2, 4]),
    },
    //                             chosen 0 | chosen 1 | rejected 0 | rejected 1
    predictors: Int32Array.from([2, 3, 4, 6, 7, 2, 5, 6, 8, 9, 10]),
    targets: Int32Array.from([21, 22, 2, 41, 2, 31, 2, 51, 52, 53, 2]),
    sequences: Int32Array.from([0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3]),
  });
});

test("tails split off: a completion's tokens beyond the shorter one's length are sequences of their own", () => {
  const batch = packPairs([pair([1, 11, 12], [21, 22, 2], [31, 2]), pair([1], [41, 2], [51, 52, 53, 2]), pair([1], [5], [6])], true);
  // of three pairs: chosen 0 to 2, rejected 3 to 5, padding 6, tails of chosen 7 to 9, of rejected 10 to 12
  expect([...batch.sequences]).toEqual([0, 0, 7, 1, 1, 2, 3, 3, 4, 4, 11, 11, 5]);
});

test('a completion of one token leaves no row: its segment has no queries and is left out', () => {
  const batch = packPairs([pair([1, 5], [2], [2])]);
  expect([...batch.tokens]).toEqual([1, 5]);
  expect([...batch.layout.queryLengths]).toEqual([2]);
  expect([...batch.layout.keyLengths]).toEqual([2]);
  expect([...batch.predictors]).toEqual([1, 1]);
  expect(packedRows(pair([1, 5], [2], [2]))).toBe(2);
});

test('without a prompt token nothing predicts the first target', () => {
  expect(() => packPairs([pair([], [3, 2], [4, 2])])).toThrow('at least one token');
});
