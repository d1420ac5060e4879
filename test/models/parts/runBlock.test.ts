import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { randomGpt2 } from '../../../bench/ours/randomGpt2';
import { packPairs } from '../../../datasets/pack';
import type { PackedBatch, TokenizedPair } from '../../../datasets/types';
import { currentEngine, useEngine } from '../../../engine/engine';
import { withDropout } from '../../../models/adapters/adapterDropout';
import { trainedWeights } from '../../../models/adapters/attachAdapter';
import { createAdapter } from '../../../models/adapters/createAdapter';
import { disposeModel, loadModel } from '../../../models/loadModel';
import { completionLogProbs } from '../../../models/packedForward';
import type { Model } from '../../../models/types';
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

// the kernel's own record of the most that was resident, set back before each run
const counted = process.platform === 'linux' ? test : test.skip;
counted('the peak of memory falls', () => {
  const model = randomGpt2({ layers: 24, width: 64, heads: 2, vocabulary: 100, positions: 64 });
  const batch = packPairs(Array.from({ length: 32 }, () => pair(100, [8, 16, 16])));
  const growth = (recompute: boolean): number => {
    const kilobytes = (name: string): number =>
      Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))![1]);
    writeFileSync('/proc/self/clear_refs', '5');
    const before = kilobytes('VmRSS');
    gradients(model, batch, recompute);
    return kilobytes('VmHWM') - before;
  };
  // what any run needs once stays with the process: kernels, threads, the first pieces of heap
  growth(true);
  const recomputed = growth(true);
  const plain = growth(false);
  // 24 layers' activations of 1216 rows
  expect(plain).toBeGreaterThan(40_000);
  expect(recomputed).toBeLessThan(plain / 2);
  disposeModel(model);
});
