import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { packPairs } from '../../datasets/pack';
import { currentEngine } from '../../engine/engine';
import type { TorchBackend } from '../../engine/torch/backend';
import { describe as describeSlot, scalarType } from '../../engine/torch/binding';
import { slotsOf } from '../../engine/torch/quantize';
import { trainedWeights } from '../../models/adapters/attachAdapter';
import { createAdapter } from '../../models/adapters/createAdapter';
import { disposeModel, loadModel } from '../../models/loadModel';
import { readConfig, readConfigFile } from '../../models/readConfig';
import { completionLogProbs } from '../../models/packedForward';
import type { BaseConfig } from '../../models/types';
import { estimateConfigKeys, resolveEstimateConfig } from '../../trainer/estimateConfig';
import { loraOptions } from '../../trainer/loraOptions';
import { measureStep, timedModels } from '../../trainer/measureStep';
import { createOptimizer } from '../../trainer/optimizer';
import { resolveRunConfig, runConfigKeys } from '../../trainer/runConfig';
import { stepMemory } from '../../trainer/stepMemory';
import { stepShape } from '../../trainer/stepShape';
import { secondsAt, stepSeconds, stepWork } from '../../trainer/stepTime';
import stepFlops from '../goldens/stepFlops.json';
import { goldenModels } from '../models/goldens';
import { startTestEngine } from '../models/testEngine';

const cacheFolder = mkdtempSync(join(tmpdir(), 'estimate-'));
beforeAll(() => startTestEngine());
afterAll(() => rmSync(cacheFolder, { recursive: true }));

const numbers = (tensors: readonly { shape: readonly number[] }[]): number =>
  tensors.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);

describe.each(['gpt2', 'gpt2-switched', 'gemma3-text', 'llama', 'qwen3', 'cohere', 'gpt-neox', 'bloom'])('%s', (name) => {
  test.each<Record<string, unknown>>([
    {},
    { optimizer: 'adamw' },
    { optimizer: 'sgd' },
    { momentum: 0.9 },
    { loraRank: 2 },
    { loraRank: 2, loraDora: true },
    { loraRank: 2, loraTargets: '(lm_head|embed_out),.*(wte|embed_tokens|embed_in|word_embeddings)' },
  ])('parameters, weights, gradients and optimizer state are what a run has: %j', async (given) => {
    const run = await resolveRunConfig({ model: 'm', train: 't', output: 'o', ...given });
    const lora = loraOptions(run);
    const base = await loadModel(join(goldenModels, name), { trainable: !lora, cacheFolder });
    const model = lora ? createAdapter(base, lora, name) : base;
    const options = resolveEstimateConfig({ model: name, promptTokens: 3, completionTokens: 2, batchSize: 2, ...given });
    const shape = stepShape(model.architecture, model.config, options);
    const memory = stepMemory(shape, options);
    const trained = Object.values(trainedWeights(model));
    expect(shape.parameters).toBe(numbers(Object.values(base.weights)));
    expect(shape.trained).toBe(numbers(trained));
    expect(memory.weights).toBe(4 * (numbers(Object.values(base.weights)) + (lora ? numbers(trained) : 0)));

    const pair = { prompt: Int32Array.of(1, 2, 3), chosen: Int32Array.of(4, 5), rejected: Int32Array.of(6, 7) };
    const packed = packPairs([pair, pair]);
    expect([shape.rows, shape.targets, shape.segments]).toEqual([
      packed.tokens.length,
      packed.targets.length,
      packed.layout.queryLengths.length,
    ]);
    const { loss, grads } = currentEngine().valueAndGrads(
      () => ({ loss: tf.sum<tf.Scalar>(completionLogProbs(model, packed).chosen) }),
      trained,
    );
    expect(memory.gradients).toBe(4 * numbers(grads));
    tf.dispose([loss, grads]);
    const optimizer = await createOptimizer(run, trainedWeights(model));
    expect(memory.optimizer).toBe(4 * numbers(optimizer.state()));
    optimizer.dispose();
    disposeModel(model);
  });
});

test.each([{ loraTargets: 'lm_head,c_attn' }, { loraTargets: 'c_attn', loraModulesToSave: 'wte' }])(
  'embedding and head that stay tied are counted once: %j',
  async (lora) => {
    const given = { loraRank: 2, loraDora: true, loraEnsureWeightTying: true, ...lora };
    const base = await loadModel(join(goldenModels, 'gpt2'), { trainable: false, cacheFolder });
    const run = await resolveRunConfig({ model: 'm', train: 't', output: 'o', ...given });
    const model = createAdapter(base, loraOptions(run)!, 'gpt2');
    expect((await gpt2(given)).shape.trained).toBe(numbers(Object.values(trainedWeights(model))));
    disposeModel(model);
  },
);

const gpt2 = async (given: Record<string, unknown>) => {
  const { architecture, config } = await readConfig(join(goldenModels, 'gpt2'));
  const options = resolveEstimateConfig({ model: 'm', promptTokens: 10, completionTokens: 8, batchSize: 4, ...given });
  const shape = stepShape(architecture, config, options);
  const memory = stepMemory(shape, options);
  return { options, shape, memory, work: stepWork(shape, memory, options) };
};

describe.each(['gpt2', 'llama'])('%s in 4 bits', (name) => {
  test.each([
    ['nf4', false],
    ['fp4', true],
  ] as const)('%s, double quantisation %s: the weights take what the engine holds', async (quantization, doubleQuantization) => {
    const kind = { type: quantization, double: doubleQuantization };
    const model = await loadModel(join(goldenModels, name), { trainable: false, cacheFolder, quantization: kind });
    const options = resolveEstimateConfig({ model: name, loraRank: 2, quantization, doubleQuantization });
    const shape = stepShape(model.architecture, model.config, options);
    const backend = tf.backend() as TorchBackend;
    let bytes = 0;
    for (const weight of Object.values(model.weights)) {
      const packed = backend.quantizedOf(weight);
      const slots = packed ? slotsOf(packed) : [];
      for (const { shape: axes, type } of slots.map((slot) => describeSlot(slot)))
        bytes += (type === scalarType.uint8 ? 1 : 4) * axes.reduce((product, length) => product * length, 1);
      if (!packed) bytes += 4 * numbers([weight]);
    }
    expect(stepMemory(shape, options).weights).toBe(bytes + 4 * shape.trained);
    disposeModel(model);
  });
});

test('an 8 B model in nf4 fits a card of 24 GB, and a whole one does not', async () => {
  const file = join(cacheFolder, 'llama3.json');
  writeFileSync(file, JSON.stringify(llama3));
  const { architecture, config } = await readConfigFile(file);
  const given = { preset: 'llama3-8b', precision: 'bf16', promptTokens: 24, completionTokens: 40 };
  const peak = (more: Record<string, unknown>): number => {
    const options = resolveEstimateConfig({ ...given, ...more });
    const shape = stepShape(architecture, config, options);
    expect([shape.parameters, shape.quantized > 0 ? shape.quantized : 6979321856]).toEqual([8030261248, 6979321856]);
    return stepMemory(shape, options).peak / 1e9;
  };
  expect(peak({ quantization: 'nf4', doubleQuantization: true })).toBeLessThan(12);
  expect(peak({})).toBeLessThan(12);
  expect(peak({ quantization: 'none' })).toBeGreaterThan(17);
});

test('4 bits: the tile that is multiplied by, and the bytes that it moves', async () => {
  const [whole, packed] = [await gpt2({ loraRank: 2 }), await gpt2({ loraRank: 2, quantization: 'nf4' })];
  expect(whole.memory.tile).toBe(0);
  expect(packed.memory.tile).toBe(12 * 48 * 10);
  expect(packed.work.bytes - whole.work.bytes).toBeCloseTo(3 * 12 * 144 * 22 * 2, 6);
});

/** Llama 3 8B's config.json, as published, without what no size follows from. */
const llama3 = {
  model_type: 'llama',
  vocab_size: 128256,
  hidden_size: 4096,
  intermediate_size: 14336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  tie_word_embeddings: false,
};

test('bf16: two bytes a number, and float32 masters of what is trained', async () => {
  const { shape, memory } = await gpt2({ precision: 'bf16' });
  expect(memory.weights).toBe(6 * shape.parameters);
  expect(memory.gradients).toBe(2 * shape.parameters);
  expect(memory.optimizer).toBe(4 * shape.parameters);
  const lora = await gpt2({ precision: 'bf16', loraRank: 3 });
  expect(lora.memory.weights).toBe(2 * shape.parameters + 6 * lora.shape.trained);
});

test('accumulation: the sum in float32 beside the gradients, as often the work', async () => {
  const [one, four] = [await gpt2({}), await gpt2({ gradientAccumulationSteps: 4 })];
  expect(four.memory.gradients).toBe(2 * one.memory.gradients);
  expect(four.work.layerFlops).toBe(4 * one.work.layerFlops);
});

test('recomputed blocks: less memory, one forward pass more', async () => {
  const [kept, again] = [await gpt2({}), await gpt2({ recompute: 'blocks' })];
  expect(again.memory.activations).toBeLessThan(kept.memory.activations / 2);
  const forward = 2 * kept.shape.rows * 3 * 12 * 144 + 4 * kept.shape.seen * 12 * 3;
  expect(again.work.layerFlops - kept.work.layerFlops).toBe(forward);
  expect(again.work.headFlops).toBe(kept.work.headFlops);
});

test('weighted pairs: their logits once more while the first are kept, unless they go chunk by chunk', async () => {
  const [plain, weighted] = [await gpt2({}), await gpt2({ useWeighting: true })];
  expect(weighted.work.headFlops - plain.work.headFlops).toBe(2 * 64 * 40 * 12);
  expect(weighted.work.bytes - plain.work.bytes).toBe(2 * 4 * 64 * 40);
  const logits = (own: object, ofShape = plain.shape): number[] =>
    [plain, weighted].map(({ options }) => stepMemory(ofShape, { ...options, ...own }).logits);
  expect(logits({ device: 'cpu' })).toEqual([4 * 64 * 40, (4 + 4) * 64 * 40]);
  expect(logits({ device: 'cpu', precision: 'bf16' })).toEqual([(2 + 4) * 64 * 40, (4 + 2 + 4) * 64 * 40]);
  expect(logits({ device: 'cuda' })).toEqual([(4 + 4) * 64 * 40, (4 + 4 + 4) * 64 * 40]);
  const [once, again] = logits({}, { ...plain.shape, vocabulary: 2 ** 26 });
  expect(again).toBe(once);
});

test('the operations of a step, by hand', async () => {
  const { shape, work } = await gpt2({});
  // golden gpt2: 3 layers, 12 wide, vocabulary 40; each layer has 12 · 12² numbers in its matrices
  expect(shape.layerMatrices).toBe(3 * 12 * 144);
  expect(shape.rows).toBe(4 * (10 + 7 + 7));
  expect(shape.seen).toBe(4 * ((17 * 18) / 2 + 7 * 10 + (7 * 8) / 2));
  expect(work.layerFlops).toBe(3 * 2 * shape.rows * 3 * 12 * 144 + 7 * 2 * shape.seen * 12 * 3);
  expect(work.headFlops).toBe(3 * 2 * 64 * 40 * 12);
});

describe.each(Object.entries(stepFlops))("%s: PyTorch's own count of operations", (name, { rows, targets, cases }) => {
  test.each(Object.entries(cases))('%s', async (which, counted) => {
    const given = { lora: { loraRank: 2 }, recompute: { recompute: 'blocks' }, whole: {} }[which]!;
    const { architecture, config } = await readConfig(join(goldenModels, name));
    const options = resolveEstimateConfig({ model: name, batchSize: 1, promptTokens: rows - 14, completionTokens: 8, ...given });
    const shape = stepShape(architecture, config, options);
    expect(shape.rows).toBe(rows);
    const { layerFlops, headFlops } = stepWork(shape, stepMemory(shape, options), options);
    // the counter's attention sees every pair of positions, once forward and once backward
    const seen = shape.seen / rows ** 2;
    const attention = counted.attention * seen * (which === 'recompute' ? 9 / 7 : 1);
    // nothing needs a gradient below the first layer's LoRA: its query, key and value, and their first matrices
    const below = which === 'lora' ? 2 * rows * (name === 'gpt2' ? 12 * 36 + 2 * 12 : 12 * 48 + 3 * 2 * 12) : 0;
    expect(layerFlops).toBeCloseTo(counted.products + below + attention, 6);
    expect(headFlops / shape.targets).toBe(counted.head / targets);
  });
});

describe('the models whose steps are timed', () => {
  const config = { layers: 30, width: 576, vocabulary: 49152 } as BaseConfig;

  test('few blocks and words, more blocks, more words', () => {
    expect(timedModels(config, 3.5e6, 400)).toEqual({
      small: { layers: 1, vocabulary: 1024 },
      deep: { layers: 8, vocabulary: 1024 },
      wide: { layers: 1, vocabulary: 32768 },
    });
  });

  test('two blocks of a large model, and a smaller part of a wide vocabulary', () => {
    const { deep, wide } = timedModels({ ...config, width: 8192 }, 1e9, 400);
    expect([deep.layers, wide.vocabulary]).toEqual([2, 8192]);
    expect(timedModels({ ...config, width: 4096 }, 1e9, 400).wide.vocabulary).toBe(16384);
  });

  test('a small model whole', () => {
    const { small, deep, wide } = timedModels({ ...config, layers: 1, vocabulary: 500 }, 1e6, 400);
    expect([small, deep, wide]).toEqual([small, small, { layers: 1, vocabulary: 500 }]);
  });
});

test('the time of a step: its parts in every batch, the sums, the update', () => {
  const parts = { blocks: 5, vocabulary: 3, rest: 1, update: 0.5, firstSum: 0.2, nextSum: 0.1 };
  expect(stepSeconds(parts, 1)).toBe(9.5);
  expect(stepSeconds(parts, 4)).toBeCloseTo(4 * 9 + 0.5 + 0.2 + 3 * 0.1, 10);
  expect(secondsAt({ layerFlops: 4e9, headFlops: 1e9, bytes: 2e9 }, { flops: 2.5e9, bandwidth: 1e10 })).toBeCloseTo(2.2, 10);
});

test.each<Record<string, unknown>>([
  { gradientAccumulationSteps: 3 },
  { loraRank: 2, quantization: 'nf4', loraDora: true },
  { recompute: 'blocks', optimizer: 'adamw' },
])('the parts of a step, timed by a clock that each look moves on: %j', async (given) => {
  const { architecture, config } = await readConfig(join(goldenModels, 'llama'));
  const options = resolveEstimateConfig({ model: 'm', promptTokens: 10, completionTokens: 8, batchSize: 2, measure: true, ...given });
  const before = tf.memory().numTensors;
  let looks = 0;
  // two looks a piece of work: each takes as long as its place in the first round, from small, deep, wide to the sums
  const clock = (): number => (looks++ % 2 === 0 ? 0 : 1000 * [3, 5, 3, 7, 11, 13][((looks - 2) / 2) % 6]);
  const parts = await measureStep(architecture, config, options, clock);
  // two layers, of which one more took 2 seconds, and no more words than 40
  expect(parts).toEqual({ blocks: 4, vocabulary: 0, rest: 1, update: 7, firstSum: 11, nextSum: 13 });
  expect(tf.memory().numTensors).toBe(before);
});

test('options mean what they mean to dpo-train', () => {
  const own = ['promptTokens', 'completionTokens', 'pairs', 'measure', 'tflops', 'bandwidth'];
  expect(estimateConfigKeys.filter((key) => !runConfigKeys.includes(key as never))).toEqual(own);
});

test.each<[Record<string, unknown>, RegExp]>([
  [{}, /--model is missing/],
  [{ batchSize: 0 }, /--batch-size is 0: must be at least 1/],
  [{ model: 'm', measure: true, tflops: 1 }, /--measure finds out what --tflops and --bandwidth give/],
  [{ model: 'm', tflops: 1 }, /--tflops and --bandwidth belong together/],
  [{ model: 'm', device: 'cpu' }, /--device is for --measure/],
  [{ model: 'm', pairs: 5 }, /--pairs is for the time of a run/],
  [{ model: 'm', momentum: 0.5, optimizer: 'adam' }, /--momentum is 0.5: it belongs to rmsprop and sgd/],
  [{ model: 'm', quantization: 'nf4' }, /--quantization nf4: weights in 4 bits cannot be trained themselves; give --lora-rank/],
  [{ model: 'm', loraRank: 2, doubleQuantization: true }, /--double-quantization is for QLoRA: give --quantization nf4 or fp4/],
  [{ model: 'm', loraDora: true }, /--lora-dora is for LoRA: give --lora-rank/],
  [{ model: 'm', loraTargets: 'q_proj' }, /--lora-targets is for LoRA: give --lora-rank/],
])('%j is refused', (given, message) => {
  expect(() => resolveEstimateConfig(given)).toThrow(message);
});
