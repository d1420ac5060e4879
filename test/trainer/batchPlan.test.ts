import { batchPlan, pairsInUse } from '../../trainer/batchPlan';

const options = { batchSize: 4, gradientAccumulationSteps: 1, epochs: 2, seed: 3 };

test('every epoch takes every pair once, the last step what is left', () => {
  const plan = batchPlan(10, options);
  expect([plan.stepsPerEpoch, plan.totalSteps]).toEqual([3, 6]);
  for (const epoch of [0, 1]) {
    const steps = [0, 1, 2].map((step) => plan.batches(3 * epoch + step)[0]);
    expect(steps.map((batch) => batch.length)).toEqual([4, 4, 2]);
    expect(steps.flat().sort((a, b) => a - b)).toEqual([...Array(10).keys()]);
  }
  expect(plan.batches(0)).not.toEqual(plan.batches(3));
});

test('a step has the same batch whatever was asked before, so that a resumed run meets the same data', () => {
  const whole = batchPlan(10, options);
  const batches = Array.from({ length: 6 }, (_, step) => whole.batches(step));
  expect(batchPlan(10, options).batches(4)).toEqual(batches[4]);
  expect(whole.batches(1)).toEqual(batches[1]);
  expect(batchPlan(10, { ...options, seed: 4 }).batches(0)).not.toEqual(batches[0]);
});

test('maxSteps decides over the epochs, and the pairs in use are those of its steps', () => {
  const short = batchPlan(10, { ...options, maxSteps: 2 });
  expect(short.totalSteps).toBe(2);
  expect(pairsInUse(short)).toEqual([...short.batches(0), ...short.batches(1)].flat());
  const long = batchPlan(10, { ...options, maxSteps: 100 });
  expect(long.totalSteps).toBe(100);
  expect(pairsInUse(long).sort((a, b) => a - b)).toEqual([...Array(10).keys()]);
});

test('accumulation cuts the same batches into steps; the last step of an epoch takes what is left, and epochs count pairs', () => {
  const single = batchPlan(18, options);
  const plan = batchPlan(18, { ...options, gradientAccumulationSteps: 2 });
  expect([plan.stepsPerEpoch, plan.totalSteps]).toEqual([3, 6]);
  const [first, last, second] = [plan.batches(0), plan.batches(2), plan.batches(3)];
  expect(first).toEqual([single.batches(0)[0], single.batches(1)[0]]);
  expect(last).toEqual([single.batches(4)[0]]);
  expect(second).toEqual([single.batches(5)[0], single.batches(6)[0]]);
  expect([1, 2, 3, 4].map((steps) => plan.epochAfter(steps))).toEqual([0.4, 0.8, 1, 1.4]);
});
