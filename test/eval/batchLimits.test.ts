import { batchLimits } from '../../eval/batchLimits';

/** mGPT's shape: a token takes 24 * 2 * 16 * 128 = 98,304 numbers. */
const shape = { layers: 24, keyValueHeads: 16, headWidth: 128 };
const GIB = 2 ** 30;

test('a CPU: 256 rows, 2 GiB of float32', () => {
  expect(batchLimits({ precision: 'float32' }, shape, 20)).toEqual({ rows: 256, cacheNumbers: 2 ** 29 });
  expect(batchLimits({ precision: 'float32' }, shape, 20, 7)).toEqual({ rows: 7, cacheNumbers: 2 ** 29 });
});

test('a GPU: from its free memory, the same for alike amounts', () => {
  const at = (free: number, precision: 'float32' | 'bf16', tokens = 20) =>
    batchLimits({ precision, freeMemory: () => free }, shape, tokens);
  // half of 70 GiB is 32 GiB by powers of two; caches take 16 GiB: 2^33 numbers of bf16, half of them for rows
  expect(at(70 * GIB, 'bf16')).toEqual({ rows: Math.floor(2 ** 32 / (98_304 * 20)), cacheNumbers: 2 ** 33 });
  expect(at(65 * GIB, 'bf16')).toEqual(at(70 * GIB, 'bf16'));
  expect(at(70 * GIB, 'float32').rows).toBe(Math.floor(2 ** 31 / (98_304 * 20)));
  expect(at(8 * GIB, 'float32').rows).toBe(Math.floor(2 ** 28 / (98_304 * 20)));
});

test('a GPU: never more than 4096 rows, never none, and what the user says', () => {
  const free = (bytes: number) => ({ precision: 'bf16' as const, freeMemory: () => bytes });
  expect(batchLimits(free(70 * GIB), { layers: 2, keyValueHeads: 1, headWidth: 64 }, 20).rows).toBe(4096);
  expect(batchLimits(free(0), shape, 20).rows).toBe(1);
  expect(batchLimits(free(70 * GIB), shape, 20, 5000).rows).toBe(5000);
});
