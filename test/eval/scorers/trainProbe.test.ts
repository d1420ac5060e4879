import { startEngine } from '../../../engine/startEngine';
import { auc } from '../../../eval/metrics/auc';
import { applyProbe, trainProbe } from '../../../eval/scorers/trainProbe';
import golden from '../../goldens/logisticRegression.json';

beforeAll(() => startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' }));

test.each(golden.cases)('as scikit-learn: $width features, C $c', async ({ width, c, features, labels, ...expected }) => {
  const x = Float32Array.from(features);
  const probe = await trainProbe(
    x,
    labels.map((label) => label === 1),
    { c },
  );
  expect(probe.weights).toHaveLength(width);
  for (const field of ['mean', 'scale', 'weights'] as const)
    probe[field].forEach((value, i) =>
      expect(Math.abs(value - expected[field][i])).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected[field][i]))),
    );
  expect(Math.abs(probe.bias - expected.bias)).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected.bias)));
  applyProbe(probe, x).forEach((value, i) => expect(value).toBeCloseTo(expected.probabilities[i], 4));
});

test('separable data: finite weights, the classes apart', async () => {
  const probe = await trainProbe(Float32Array.of(-2, -1, 1, 2), [false, false, true, true], { c: 1e6 });
  expect(Number.isFinite(probe.weights[0])).toBe(true);
  expect([...applyProbe(probe, Float32Array.of(-2, -1, 1, 2))].map(Math.round)).toEqual([0, 0, 1, 1]);
});

test('one class alone: finite', async () => {
  const probe = await trainProbe(Float32Array.of(1, 2, 3), [true, true, true], { c: 1 });
  expect(applyProbe(probe, Float32Array.of(2))[0]).toBeGreaterThan(0.99);
});

test('AUC: by hand, with ties, one class alone, as scikit-learn', () => {
  expect(auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])).toBe(0.75);
  expect(auc([1, 1, 1], [1, 0, 1])).toBe(0.5);
  expect(auc([3, 2, 1], [false, true, true])).toBe(0);
  expect(auc([1, 2], [true, true])).toBeNaN();
  expect(auc(golden.auc.scores, golden.auc.labels)).toBeCloseTo(golden.auc.auc, 12);
});
