import { currentEngine, useEngine, type Engine } from '../../engine/engine';
import { startTestEngine } from '../models/testEngine';
import { expectLine } from './expectLine';
import { goldenRun as run } from './goldenRun';
import { goldenCases } from './trainingGolden';

describe('libtorch', () => {
  beforeAll(() => startTestEngine('torch'));

  test.each(goldenCases)("every figure of every step equals TRL's: $name", async (golden) => {
    const { lines, evaluation, end, leaked } = await run(golden, golden.steps.length);
    expect(lines.length).toBe(golden.steps.length);
    lines.forEach((line, i) => expectLine(line, golden.steps[i]));
    expectLine(evaluation, golden.evaluation);
    expect(end).toEqual({ step: golden.steps.length, numTokens: golden.steps.at(-1)!.num_tokens, window: [] });
    expect(leaked).toBe(0);
  });

  test('the first loss is ln 2 to the last digits, since the policy is its reference', async () => {
    const { lines } = await run(goldenCases[0], 1);
    expect(Math.abs(lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  });

  describe('on a device that queues its work, where values are read at log lines alone', () => {
    let direct: Engine;
    beforeEach(() => {
      direct = currentEngine();
      useEngine({ ...direct, device: 'cuda:0' });
    });
    afterEach(() => useEngine(direct));

    test('the log is the same', async () => {
      const queued = await run(goldenCases[0], 2, { logEverySteps: 5 });
      useEngine(direct);
      expect(queued.lines).toEqual((await run(goldenCases[0], 2, { logEverySteps: 5 })).lines);
      expect(queued.leaked).toBe(0);
    });

    test('the first step that broke down is named, late', async () => {
      const broken = run(goldenCases[1], 2, { logEverySteps: 5, learningRate: 1e30, maxGradNorm: 1e9 });
      await expect(broken).rejects.toThrow('training broke down at step 2: ');
    });
  });
});

describe("tfjs's own backend", () => {
  beforeAll(() => startTestEngine('tfjs'));

  test('gives the same', async () => {
    const { lines, leaked } = await run(goldenCases[0], 4);
    expect(lines.length).toBe(4);
    lines.forEach((line, i) => expectLine(line, goldenCases[0].steps[i]));
    expect(leaked).toBe(0);
  });
});
