import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { packPairs } from '../../../datasets/pack';
import type { PackedBatch, TokenizedPair } from '../../../datasets/types';
import { currentEngine, useEngine } from '../../../engine/engine';
import { withDropout } from '../../../models/adapters/adapterDropout';
import { trainedWeights } from '../../../models/adapters/attachAdapter';
import { createAdapter } from '../../../models/adapters/createAdapter';
import { disposeModel, loadModel } from '../../../models/loadModel';
import { completionLogProbs } from '../../../models/packedForward';
import type { Model } from '../../../models/types';
import { packageRoot } from '../../../util/packageRoot';
import { randomStream } from '../../../util/random';
import { goldenModels, relativeError } from '../goldens';
import { startTestEngine } from '../testEngine';

const cacheFolder = mkdtempSync(join(tmpdir(), 'recompute-'));
beforeAll(() => startTestEngine());
afterAll(() => rmSync(cacheFolder, { recursive: true }));

const random = randomStream(3);
const ids = (length: number, vocabulary: number): Int32Array => Int32Array.from({ length }, () => Math.floor(random() * vocabulary));
const pair = (vocabulary: number, lengths = [4, 6, 3]): TokenizedPair => ({
  prompt: ids(lengths[0], vocabulary),
  chosen: ids(lengths[1], vocabulary),
  rejected: ids(lengths[2], vocabulary),
});

/** Loss and gradients of what is trained, read; and how many blocks were recomputed. */
function gradients(model: Model, batch: PackedBatch, recompute: boolean) {
  const before = tf.memory().numTensors;
  const engine = currentEngine();
  let blocks = 0;
  useEngine({ ...engine, recomputed: (f, inputs) => (blocks++, engine.recomputed(f, inputs)) });
  try {
    const { loss, grads } = withDropout(model, 5, () =>
      engine.valueAndGrads(
        () => {
          const { chosen, rejected } = completionLogProbs(model, batch, recompute);
          return { loss: tf.mean(tf.softplus(tf.sub(rejected, chosen))) };
        },
        Object.values(trainedWeights(model)),
      ),
    );
    const read = { loss: loss.dataSync()[0], grads: grads.map((grad) => grad.dataSync<'float32'>().slice()), blocks };
    tf.dispose([loss, grads]);
    expect(tf.memory().numTensors).toBe(before);
    return read;
  } finally {
    useEngine(engine);
  }
}

function expectSame(model: Model, batch: PackedBatch): void {
  const plain = gradients(model, batch, false);
  const recomputed = gradients(model, batch, true);
  expect([plain.blocks, recomputed.blocks]).toEqual([0, model.config.layers]);
  expect(recomputed.loss).toBeCloseTo(plain.loss, 6);
  const largest = Math.max(...plain.grads.map((grad) => Math.max(...grad.map(Math.abs))));
  expect(largest).toBeGreaterThan(0);
  recomputed.grads.forEach((grad, i) => expect(relativeError(grad, plain.grads[i], 1e-2 * largest)).toBeLessThan(1e-5));
}

test.each(readdirSync(goldenModels))('%s: every block computed again gives the same loss and gradients', async (name) => {
  const model = await loadModel(join(goldenModels, name), { trainable: true, cacheFolder });
  expectSame(model, packPairs([1, 2, 3].map(() => pair(model.config.vocabulary))));
  disposeModel(model);
});

test.each(['gpt2', 'llama'])('%s with LoRA, dropout drawn alike both times', async (name) => {
  const base = await loadModel(join(goldenModels, name), { trainable: false, cacheFolder });
  const options = { rank: 2, alpha: 8, rslora: false, targets: ['all-linear'], seed: 1, dropout: 0.3 };
  const model = createAdapter(base, options, 'base');
  // B begins at zero, and A would have no gradient
  for (const { b } of model.adapter!.modules) tf.tidy(() => b.assign(tf.fill(b.shape, 0.1)));
  expectSame(model, packPairs([pair(model.config.vocabulary)]));
  disposeModel(model);
});

// the kernel's own record of the most that was resident; each run in a process whose heap holds nothing yet
const counted = process.platform === 'linux' ? test : test.skip;
counted('the peak of memory falls', () => {
  const config = { model_type: 'gpt2', n_embd: 64, n_layer: 24, n_head: 2, vocab_size: 100, n_positions: 64 };
  const model = join(cacheFolder, 'deep.json');
  writeFileSync(model, JSON.stringify(config));
  const growth = (recompute: string): number => {
    const options = { model, given: { batchSize: 32, promptTokens: 8, completionTokens: 16, recompute }, runs: 1, warmup: 1 };
    const program = join(packageRoot(), 'dist/bench/ours/realStep.js');
    const { stdout, stderr } = spawnSync(process.execPath, [program, JSON.stringify(options)], { encoding: 'utf8' });
    return (JSON.parse(stdout.trim().split('\n').at(-1) || `"${stderr}"`) as { growth: number }).growth;
  };
  const plain = growth('none');
  // 24 layers' activations of 1216 rows
  expect(plain).toBeGreaterThan(80e6);
  expect(growth('blocks')).toBeLessThan(plain / 2);
});
