import { randomPairs } from '../../bench/pairs';
import { selfTimes } from '../../bench/profiler/selfTimes';
import { parameterCount, rooflineMs, stepWork } from '../../bench/roofline';
import { packPairs } from '../../datasets/pack';

const shape = { layers: 2, width: 8, heads: 2, vocabulary: 50, positions: 16 };

test("a GPT-2's weights", () => {
  // transformers: sum(p.numel() for p in GPT2LMHeadModel(GPT2Config(…)).parameters()), GPT-2 small
  expect(parameterCount({ layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024 })).toBe(124439808);
});

test('the least work of a step, counted by hand for one pair', () => {
  const ids = (...list: number[]) => Int32Array.from(list);
  // rows: 2 of the prompt, 1 chosen, none rejected; targets: 2 and 1; seen: 1 + 2 + 3
  const batch = packPairs([{ prompt: ids(1, 2), chosen: ids(3, 4), rejected: ids(5) }]);
  const forward = 2 * 3 * (2 * 12 * 64) + 4 * 6 * 8 * 2 + 2 * 3 * 8 * 50;
  expect(stepWork(shape, batch, false, 20)).toEqual({ flops: 3 * forward, bytes: 20 * parameterCount(shape) });
  expect(stepWork(shape, batch, true, 20).flops).toBe(4 * forward);
});

test('products and traffic follow one another', () => {
  expect(rooflineMs({ flops: 2e9, bytes: 1e9 }, { flopsPerSecond: 1e12, bytesPerSecond: 1e11 })).toBeCloseTo(12);
});

test('time inside an event is not counted twice', () => {
  const ms = 1e6;
  expect(
    selfTimes([
      ['inner', 0, 1, 2 * ms, 5 * ms],
      ['outer', 0, 1, 0, 10 * ms],
      ['inner', 0, 1, 6 * ms, 7 * ms],
      ['outer', 0, 2, 1 * ms, 3 * ms],
      ['alone', 0, 1, 10 * ms, 10.5 * ms],
    ]),
  ).toEqual([
    { name: 'outer', count: 2, ms: 8 },
    { name: 'inner', count: 2, ms: 4 },
    { name: 'alone', count: 1, ms: 0.5 },
  ]);
});

test('pairs of random tokens have the lengths that the tables name, and are the same each time', () => {
  const pairs = randomPairs(200);
  expect(pairs).toEqual(randomPairs(200));
  for (const [prompt, chosen, rejected] of pairs) {
    expect(prompt.length).toBeGreaterThanOrEqual(8);
    expect(prompt.length).toBeLessThanOrEqual(40);
    for (const side of [chosen, rejected]) {
      expect(side.length).toBeGreaterThanOrEqual(16);
      expect(side.length).toBeLessThanOrEqual(64);
    }
  }
});
