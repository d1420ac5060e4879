import { batchPlan, pairsInUse } from '../../trainer/batchPlan';

const options = { batchSize: 4, epochs: 2, seed: 3 };

test('every epoch takes every pair once, the last step what is left', () => {
  const plan = batchPlan(10, options);
  expect([plan.stepsPerEpoch, plan.totalSteps]).toEqual([3, 6]);
  for (const epoch of [0, 1]) {
    const steps = [0, 1, 2].map((step) => plan.batch(3 * epoch + step));
    expect(steps.map((batch) => batch.length)).toEqual([4, 4, 2]);
    expect(steps.flat().sort((a, b) => a - b)).toEqual([...Array(10).keys()]);
  }
  expect(plan.batch(0)).not.toEqual(plan.batch(3));
});

test('a step has the same batch whatever was asked before, so that a resumed run meets the same data', () => {
  const whole = batchPlan(10, options);
  const batches = Array.from({ length: 6 }, (_, step) => whole.batch(step));
  expect(batchPlan(10, options).batch(4)).toEqual(batches[4]);
  expect(whole.batch(1)).toEqual(batches[1]);
  expect(batchPlan(10, { ...options, seed: 4 }).batch(0)).not.toEqual(batches[0]);
});

test('maxSteps decides over the epochs, and the pairs in use are those of its steps', () => {
  const short = batchPlan(10, { ...options, maxSteps: 2 });
  expect(short.totalSteps).toBe(2);
  expect(pairsInUse(short)).toEqual([...short.batch(0), ...short.batch(1)]);
  const long = batchPlan(10, { ...options, maxSteps: 100 });
  expect(long.totalSteps).toBe(100);
  expect(pairsInUse(long).sort((a, b) => a - b)).toEqual([...Array(10).keys()]);
});
