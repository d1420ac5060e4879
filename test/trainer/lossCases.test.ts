import { startTestEngine } from '../models/testEngine';
import { expectLine } from './expectLine';
import { goldenRun as run } from './goldenRun';
import { lossCases } from './trainingGolden';

describe('libtorch', () => {
  beforeAll(() => startTestEngine('torch'));

  test.each(lossCases)("every figure of every step equals TRL's: $name", async (golden) => {
    const { lines, evaluation, leaked } = await run(golden, golden.steps.length);
    expect(lines.length).toBe(golden.steps.length);
    lines.forEach((line, i) => expectLine(line, golden.steps[i]));
    expectLine(evaluation, golden.evaluation);
    expect(leaked).toBe(0);
  });
});

// comparisons have no gradient on its tape, and constants to the gradient are made otherwise
describe("tfjs's own backend", () => {
  beforeAll(() => startTestEngine('tfjs'));

  const names = ['aot_unpaired', 'sigmoid, use_weighting'];
  test.each(lossCases.filter(({ name }) => names.includes(name)))("its first step is TRL's: $name", async (golden) => {
    const { lines, leaked } = await run(golden, 1);
    expectLine(lines[0], golden.steps[0]);
    expect(leaked).toBe(0);
  });
});
