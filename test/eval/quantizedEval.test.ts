import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { resolveEvalConfig } from '../../eval/evalConfig';
import { runEval } from '../../eval/runEval';
import { disposeModel, loadModel } from '../../models/loadModel';
import { modelHash } from '../../models/modelHash';
import { resolveRunConfig } from '../../trainer/runConfig';
import { runTraining } from '../../trainer/runTraining';
import { goldenModels } from '../models/goldens';
import { startTestEngine } from '../models/testEngine';
import { goldenPairs, trainingGoldens } from '../trainer/trainingGolden';

const root = mkdtempSync(join(tmpdir(), 'quantized-eval-'));
const at = (...names: string[]): string => join(root, ...names);
const nf4 = { quantization: 'nf4', doubleQuantization: true };
const lines = (name: string): Record<string, number>[] =>
  readFileSync(at(name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>);

/** An adapter trained on a base model in nf4, and what its run logged of the evaluation pairs at its end. */
let logged: Record<string, number>;
beforeAll(async () => {
  await startTestEngine();
  cpSync(join(goldenModels, 'llama'), at('base'), { recursive: true });
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(trainingGoldens, file), at('base', file));
  for (const [name, pairs] of [
    ['train', goldenPairs.train],
    ['pairs', goldenPairs.evaluation],
  ] as const)
    writeFileSync(at(`${name}.jsonl`), pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
  writeFileSync(at('prompts.jsonl'), `${JSON.stringify({ language: 'en', prompt: 'w2 w3 w4' })}\n`);
  const options = { model: at('base'), train: at('train.jsonl'), eval: at('pairs.jsonl'), output: at('run'), cache: at('cache') };
  await runTraining(await resolveRunConfig({ ...options, ...nf4, loraRank: 2, learningRate: 1e-2, maxSteps: 3, evalEverySteps: 3 }), {
    progress: () => undefined,
    say: () => undefined,
    shouldStop: () => false,
  });
  logged = lines('run/metrics.jsonl').find((line) => 'eval_loss' in line)!;
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function evaluate(output: string, more: Record<string, unknown>) {
  const said: string[] = [];
  const options = { model: at('run', 'model'), output: at(output), cache: at('cache'), ...more };
  const results = await runEval(
    resolveEvalConfig(options),
    () => undefined,
    (line) => said.push(line),
  );
  return { results, said };
}

test("an adapter on its base model in 4 bits has its training run's figures, and says where the bits are others", async () => {
  const tensors = tf.memory().numTensors;
  const pairs = { pairs: at('pairs.jsonl'), reference: at('base') };
  const { results, said } = await evaluate('same', { ...pairs, ...nf4 });
  expect(results.preference!.loss).toBeCloseTo(logged.eval_loss, 5);
  expect(results.preference!.margin).toBeCloseTo(logged['eval_rewards/margins'], 5);
  const fields = `${at('base', 'config.json')}: fields without effect on this model: pretraining_tp`;
  expect(said).toEqual([fields]);
  expect(results.options).toMatchObject(nf4);
  expect(results.model.hash).toBe(await modelHash(at('run', 'model'), at('cache'), { type: 'nf4', double: true }));

  const whole = await evaluate('whole', pairs);
  expect(whole.results.model.hash).not.toBe(results.model.hash);
  expect(Math.abs(whole.results.preference!.loss! - logged.eval_loss)).toBeGreaterThan(1e-5);
  expect(whole.said).toEqual([
    fields,
    `${at('run', 'model')}: this adapter was trained with --quantization nf4 --double-quantization, and its base model is now loaded with --quantization none`,
  ]);
  expect(tf.memory().numTensors).toBe(tensors);
});

test('continuations are those of the model in 4 bits; the fluency model, though the same folder, stays whole', async () => {
  const options = {
    model: at('base'),
    prompts: at('prompts.jsonl'),
    fluencyModel: at('base'),
    samples: 4,
    maxNewTokens: 4,
    temperature: 0,
  };
  const packed = await evaluate('packed', { ...options, ...nf4 });
  const [english] = Object.values(packed.results.toxicity!.languages);
  const whole = await evaluate('plain', options);
  expect(english.samples).toBe(4);
  expect(english.logLikelihood).not.toBeNull();
  // greedy continuations under the model that made them are the likeliest
  expect(english.logLikelihood!).toBeLessThanOrEqual(whole.results.toxicity!.languages.en.logLikelihood! + 1e-6);
});

test("a quantised model's hash is the one it is loaded with", async () => {
  for (const quantization of [{ type: 'fp4', double: false } as const, { type: 'nf4', double: true } as const]) {
    const model = await loadModel(at('base'), { trainable: false, quantization, cacheFolder: at('cache') });
    expect(model.contentHash).toBe(await modelHash(at('base'), at('cache'), quantization));
    disposeModel(model);
  }
});

test('double quantisation alone is refused', () => {
  const given = { model: 'm', output: 'o', pairs: 'p', doubleQuantization: true };
  expect(() => resolveEvalConfig(given)).toThrow('--double-quantization is for QLoRA: give --quantization nf4 or fp4');
});
