import { goldenRun } from '../trainer/goldenRun';
import { goldenCases, type GoldenCase } from '../trainer/trainingGolden';
import { onEachEngine } from './conformance';

const STEPS = 20;

/** A linear schedule would end elsewhere than the golden's. */
const cases = goldenCases.filter(({ name, lr_scheduler_type }) => lr_scheduler_type === 'constant' && /rmsprop|adamw/.test(name));

/** Losses of the first engine, torch, by case: the others must follow. */
const first = new Map<string, number[]>();

onEachEngine(() => {
  test.each(cases)(`${STEPS} steps, $name`, async (golden: GoldenCase) => {
    const { lines, leaked } = await goldenRun({ ...golden, steps: Array.from({ length: STEPS }, (_, i) => golden.steps[i] ?? {}) }, STEPS);
    const losses = lines.map(({ loss }) => loss);
    expect(losses.length).toBe(STEPS);
    // TRL's own, as far as they go
    golden.steps.forEach(({ loss }, i) => expect(Math.abs(losses[i] - loss)).toBeLessThan(1e-4));
    const expected = first.get(golden.name) ?? losses;
    first.set(golden.name, expected);
    losses.forEach((loss, i) => expect(Math.abs(loss - expected[i])).toBeLessThan(1e-4));
    expect(losses[STEPS - 1]).toBeLessThan(losses[0] - 0.01);
    expect(leaked).toBe(0);
  });
});
