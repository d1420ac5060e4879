import { bootstrapInterval } from '../../report/bootstrap';
import { correlate } from '../../report/correlation';
import golden from '../goldens/correlation.json';

test.each(golden.map((entry, i) => [i, entry] as const))("scipy's figures, series %i", (_i, { x, y, pearson, spearman, p }) => {
  const result = correlate(x, y)!;
  expect(result.pearson).toBeCloseTo(pearson, 12);
  expect(result.spearman).toBeCloseTo(spearman, 12);
  expect(Math.abs(result.p / p - 1)).toBeLessThan(1e-6);
  expect(result.n).toBe(x.length);
});

test('a perfect line has p 0', () => {
  const result = correlate([1, 2, 3, 4], [2, 4, 6, 8])!;
  expect(result.pearson).toBeCloseTo(1, 12);
  expect(result.p).toBeLessThan(1e-12);
});

test('too few points, or a constant series: not computable', () => {
  expect(correlate([1, 2], [1, 2])).toBeNull();
  expect(correlate([], [])).toBeNull();
  expect(correlate([1, 1, 1], [1, 2, 3])).toBeNull();
  expect(correlate([1, 2, 3], [0, 0, 0])).toBeNull();
});

test('the bootstrap interval: seeded, around the mean, as wide as theory says', () => {
  const values = Array.from({ length: 100 }, (_, i) => i / 99);
  const interval = bootstrapInterval([values])!;
  expect(bootstrapInterval([values])).toEqual(interval);
  // normal theory: 0.5 -+ 1.96 * sqrt(1/12) / 10
  expect(interval[0]).toBeCloseTo(0.443, 1);
  expect(interval[1]).toBeCloseTo(0.557, 1);
  expect(interval[1] - interval[0]).toBeGreaterThan(0.09);
  expect(interval[1] - interval[0]).toBeLessThan(0.14);
  expect(
    bootstrapInterval([
      [0.2, 0.2],
      [0.4, 0.4],
    ])![0],
  ).toBeCloseTo(0.3, 12);
  expect(bootstrapInterval([[0.2]])).toBeNull();
  expect(bootstrapInterval([])).toBeNull();
});
