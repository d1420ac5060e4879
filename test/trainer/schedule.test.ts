import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { scheduleFactor, warmupLength } from '../../trainer/schedule';

interface Golden {
  warmup: number;
  total: number;
  constant: number[];
  linear: number[];
  cosine: number[];
}
const goldens = JSON.parse(readFileSync(join(__dirname, '../goldens/training/schedules.json'), 'utf8')) as Golden[];

test.each(goldens)("factors equal transformers': warmup $warmup of $total", ({ warmup, total, constant, linear, cosine }) => {
  const steps = [...constant.keys()];
  expect(steps.map((step) => scheduleFactor('constant', step, warmup, total))).toEqual(constant);
  expect(steps.map((step) => scheduleFactor('linear', step, warmup, total))).toEqual(linear);
  steps.forEach((step) => expect(scheduleFactor('cosine', step, warmup, total)).toBeCloseTo(cosine[step], 12));
});

test('the first update of a warmup has rate 0, the first after it the full rate', () => {
  expect(scheduleFactor('constant', 0, 4, 10)).toBe(0);
  expect(scheduleFactor('constant', 3, 4, 10)).toBe(0.75);
  expect(scheduleFactor('constant', 4, 4, 10)).toBe(1);
});

test('a warmup as a share of the steps is rounded up', () => {
  expect(warmupLength({ warmupSteps: 0, warmupRatio: 0.15 }, 10)).toBe(2);
  expect(warmupLength({ warmupSteps: 3, warmupRatio: 0 }, 10)).toBe(3);
});
