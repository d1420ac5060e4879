import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { startTestEngine } from '../models/testEngine';
import { trainingRuns } from './trainingRun';

const { root, run, jsonl, evaluation, remove } = trainingRuns({
  ...{ batchSize: 4, maxSteps: 8, learningRate: 1e-3, seed: 11, evalEverySteps: 2, saveEverySteps: 0, logEverySteps: 3 },
});
// evaluated on the golden's pairs these runs are best at step 6, second best at step 2
const best = { eval: evaluation, loadBestModelAtEnd: true };
beforeAll(() => startTestEngine());
afterAll(remove);

const modelBytes = (output: string, file = 'model.safetensors'): Buffer => readFileSync(join(output, 'model', file));
const checkpoints = (output: string): number[] =>
  readdirSync(join(output, 'checkpoints'))
    .map((name) => Number(name.replace('step-', '')))
    .sort((a, b) => a - b);
const bestSteps = (lines: readonly Record<string, number>[]) => lines.filter((line) => 'eval_loss' in line).map((line) => line.best_step);

let sixSteps: Buffer;
let twoSteps: Buffer;
beforeAll(async () => {
  sixSteps = modelBytes((await run('six', { maxSteps: 6 })).output);
  twoSteps = modelBytes((await run('two', { maxSteps: 2 })).output);
});

test("the best evaluation's weights are the model; the log, the configuration and a line say which", async () => {
  const whole = await run('whole', best);
  expect(modelBytes(whole.output)).toEqual(sixSteps);
  expect(readdirSync(join(whole.output, 'model')).sort()).toEqual([
    ...['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'],
  ]);
  expect(bestSteps(whole.lines)).toEqual([2, 2, 6, 6]);
  const [, , third, fourth] = whole.lines.filter((line) => 'eval_loss' in line);
  expect([third.best_metric, fourth.best_metric]).toEqual([third.eval_loss, third.eval_loss]);
  expect(whole.said.at(-1)).toBe(
    `the model has the weights of step 6, whose eval_loss of ${third.eval_loss.toPrecision(6)} is the lowest of 4 evaluations`,
  );
  expect(JSON.parse(readFileSync(join(whole.output, 'config.json'), 'utf8'))).toMatchObject({
    ...{ loadBestModelAtEnd: true, metricForBestModel: 'eval_loss', earlyStoppingPatience: 0 },
  });
  // the one of step 2 went when a better one came
  expect(checkpoints(whole.output)).toEqual([6]);
});

test.each([
  ['the best stays beside the latest', { saveEverySteps: 1, keepCheckpoints: 1 }, [6, 8]],
  ['the best counts among those kept', { saveEverySteps: 1, keepCheckpoints: 2 }, [6, 8]],
  ['and the others are the latest', { saveEverySteps: 1, keepCheckpoints: 3 }, [6, 7, 8]],
  ['a step that is saved anyway stays when a better one comes', { saveEverySteps: 2 }, [2, 4, 6, 8]],
  ['one that was saved for being the best alone does not', { saveEverySteps: 3 }, [3, 6, 8]],
])('%s', async (name, options, steps) => {
  const { output } = await run(name.replaceAll(' ', '-'), { ...best, ...options });
  expect(checkpoints(output)).toEqual(steps);
  expect(modelBytes(output)).toEqual(sixSteps);
});

test('another figure, and whether more of it is better', async () => {
  const chosen = await run('chosen', { ...best, metricForBestModel: 'rewards/chosen' });
  const values = chosen.lines.flatMap((line) => ('eval_loss' in line ? [line['eval_rewards/chosen']] : []));
  expect(chosen.lines.at(-1)!.best_metric).toBe(Math.max(...values));
  expect(chosen.said.at(-1)).toContain('whose eval_rewards/chosen of ');
  expect(chosen.said.at(-1)).toContain(' is the highest of 4');
  const least = await run('least', { ...best, metricForBestModel: 'eval_rewards/chosen', greaterIsBetter: false });
  expect(least.lines.at(-1)!.best_metric).toBe(Math.min(...values));
});

test('stopped after any step and resumed, the run knows its best so far and leaves the same', async () => {
  const options = { ...best, keepCheckpoints: 1, metricForBestModel: 'eval_rewards/accuracies', earlyStoppingPatience: 3 };
  const through = await run('through', options);
  for (const stopAfter of [3, 5, 6, 7]) {
    await run(`stopped-${stopAfter}`, options, stopAfter);
    const resumed = await run(`stopped-${stopAfter}`, { ...options, resume: true });
    expect(resumed.said).toContain(`going on after step ${stopAfter}`);
    expect(resumed.metrics).toBe(through.metrics);
    expect(resumed.said.at(-1)).toBe(through.said.at(-1));
    expect(modelBytes(resumed.output)).toEqual(modelBytes(through.output));
  }
});

test('a run that was killed goes on from the best checkpoint as from any other', async () => {
  const whole = await run('before-kill', { ...best, saveEverySteps: 4 });
  expect(checkpoints(whole.output)).toEqual([4, 6, 8]);
  rmSync(join(whole.output, 'checkpoints', 'step-8'), { recursive: true });
  rmSync(join(whole.output, 'model'), { recursive: true });
  const resumed = await run('before-kill', { ...best, saveEverySteps: 4, resume: true });
  expect(resumed.said).toContain('going on after step 6');
  expect(resumed.metrics).toBe(whole.metrics);
  expect(modelBytes(resumed.output)).toEqual(sixSteps);
});

test('patience: the run ends as finished, says why, and goes on with more patience as if it had had it', async () => {
  const patient = { ...best, saveEverySteps: 5, metricForBestModel: 'eval_loss' };
  const early = await run('early', { ...patient, earlyStoppingPatience: 1 });
  expect(early.outcome).toEqual({
    ...{ step: 4, totalSteps: 8, modelFolder: join(early.output, 'model') },
    checkpointFolder: join(early.output, 'checkpoints', 'step-4'),
  });
  expect(early.said.slice(-2)).toEqual([
    'stopped early after step 4 of 8: 1 evaluation without a lower eval_loss (--early-stopping-patience)',
    expect.stringMatching(/^the model has the weights of step 2, .* is the lowest of 2 evaluations$/),
  ]);
  expect(modelBytes(early.output)).toEqual(twoSteps);
  const again = await run('early', { ...patient, earlyStoppingPatience: 1, resume: true });
  expect([again.outcome.step, again.metrics]).toEqual([4, early.metrics]);
  expect(again.said.slice(-2)).toEqual(early.said.slice(-2));
  expect(modelBytes(again.output)).toEqual(twoSteps);
  const longer = await run('early', { ...patient, earlyStoppingPatience: 2, resume: true });
  const through = await run('patient', { ...patient, earlyStoppingPatience: 2 });
  expect([longer.outcome.step, longer.metrics]).toEqual([8, through.metrics]);
  expect(modelBytes(longer.output)).toEqual(sixSteps);
});

test('a threshold makes small improvements count as none; without a best model to keep the last weights stay', async () => {
  const options = { eval: evaluation, earlyStoppingPatience: 2, earlyStoppingThreshold: 0.1 };
  const early = await run('threshold', options);
  // step 6 is better than step 2, by .02
  expect(early.outcome.step).toBe(6);
  expect(early.said.at(-1)).toBe(
    'stopped early after step 6 of 8: 2 evaluations in a row without a lower eval_loss by more than 0.1 (--early-stopping-patience)',
  );
  expect(bestSteps(early.lines)).toEqual([2, 2, 6]);
  expect(modelBytes(early.output)).toEqual(sixSteps);
  expect(early.outcome.checkpointFolder).toBeUndefined();
});

test('where the best checkpoint is gone a line says so, and the best from there on counts', async () => {
  await run('gone', best, 7);
  rmSync(join(root, 'gone', 'checkpoints', 'step-6'), { recursive: true });
  const resumed = await run('gone', { ...best, resume: true });
  expect(resumed.said.join('\n')).toContain(
    'step-6, the best checkpoint so far, is gone or damaged: its evaluation does not count any more',
  );
  expect(resumed.lines.at(-1)!.best_step).toBe(8);
  expect(modelBytes(resumed.output)).toEqual(modelBytes((await run('eight')).output));
});

test('where it goes while the run goes on, the last weights are the model', async () => {
  const removed = run('removed', best, Infinity, ({ stage, done }) => {
    if (stage === 'training' && done === 7) rmSync(join(root, 'removed', 'checkpoints', 'step-6'), { recursive: true });
  });
  const { said, output } = await removed;
  expect(said.slice(-2)).toEqual([
    expect.stringMatching(/step-6, the best checkpoint so far, is gone or damaged: its evaluation does not count any more$/),
    'there are no weights of an evaluation with a number as eval_loss: the model has the weights of the last step, 8',
  ]);
  expect(modelBytes(output)).toEqual(modelBytes((await run('eight-steps')).output));
});

test('a damaged checkpoint beyond the one that the run goes on from takes no place of a whole one', async () => {
  const { output } = await run('beyond', {}, 3);
  mkdirSync(join(output, 'checkpoints', 'step-6'));
  const resumed = await run('beyond', { keepCheckpoints: 1, resume: true }, 5);
  expect(resumed.said).toContain('going on after step 3');
  expect(checkpoints(output)).toEqual([5]);
});

test('going on with other pairs to evaluate on, or another way to judge, is refused', async () => {
  await run('judged', best, 3);
  const other = jsonl('other-eval.jsonl', [{ prompt: 'w2', chosen: ' w3', rejected: ' w4' }]);
  await expect(run('judged', { ...best, eval: other, resume: true })).rejects.toThrow(
    `${other} does not hold the pairs on which the run's best evaluation was made`,
  );
  await expect(run('judged', { ...best, metricForBestModel: 'eval_rewards/margins', resume: true })).rejects.toThrow(
    '--metric-for-best-model was eval_loss, now eval_rewards/margins',
  );
  // pairs that decide nothing may change, as before
  await run('free', { eval: evaluation }, 3);
  expect((await run('free', { eval: other, resume: true })).outcome.step).toBe(8);
});

test.each([
  ['a LoRA adapter', { loraDropout: 0.1 }],
  ['QLoRA', { quantization: 'nf4' }],
] as const)('%s: the model is the one that a run of so many steps leaves, stopped and resumed too', async (name, kind) => {
  const tensors = tf.memory().numTensors;
  const adapter = (output: string): Buffer => modelBytes(output, 'adapter_model.safetensors');
  const steps: number[] = [];
  for (const greaterIsBetter of [false, true]) {
    const place = `${name}-${greaterIsBetter}`;
    const options = { ...best, ...kind, loraRank: 2, learningRate: 1e-2, greaterIsBetter };
    const through = await run(place, options);
    const step = through.lines.at(-1)!.best_step;
    steps.push(step);
    const short = await run(`${place}-short`, { ...kind, loraRank: 2, learningRate: 1e-2, maxSteps: step });
    expect(adapter(through.output)).toEqual(adapter(short.output));
    await run(`${place}-stopped`, options, 5);
    const resumed = await run(`${place}-stopped`, { ...options, resume: true });
    expect(resumed.metrics).toBe(through.metrics);
    expect(adapter(resumed.output)).toEqual(adapter(through.output));
  }
  // one of lowest and highest is not the last
  expect(Math.min(...steps)).toBeLessThan(8);
  expect(tf.memory().numTensors).toBe(tensors);
});
