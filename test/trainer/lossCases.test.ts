import { startTestEngine } from '../models/testEngine';
import { expectLine } from './expectLine';
import { goldenRun as run } from './goldenRun';
import { lossCases, type GoldenCase } from './trainingGolden';

async function followsTrl(golden: GoldenCase): Promise<void> {
  const { lines, evaluation, leaked } = await run(golden, golden.steps.length);
  expect(lines.length).toBe(golden.steps.length);
  lines.forEach((line, i) => expectLine(line, golden.steps[i]));
  expectLine(evaluation, golden.evaluation);
  expect(leaked).toBe(0);
}

describe('libtorch', () => {
  beforeAll(() => startTestEngine('torch'));

  test.each(lossCases)("every figure of every step equals TRL's: $name", followsTrl);
});

// comparisons have no gradient on its tape, and constants to the gradient are made otherwise
describe("tfjs's own backend", () => {
  beforeAll(() => startTestEngine('tfjs'));

  const names = ['aot_unpaired', 'sigmoid, ld_alpha and use_weighting', 'sigmoid, alpha_divergence'];
  test.each(lossCases.filter(({ name }) => names.includes(name)))('gives the same: $name', followsTrl);
});
