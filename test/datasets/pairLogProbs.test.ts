import * as tf from '@tensorflow/tfjs-core';
import { pairLogProbs } from '../../datasets/pairLogProbs';
import type { TokenizedPair } from '../../datasets/types';
import { useEngine } from '../../engine/engine';
import { tfjsEngine } from '../../engine/tfjsEngine';
import { packedHidden, sequenceLayout } from '../../models/packedForward';
import { architectureFor } from '../../models/registry';
import type { Model } from '../../models/types';
import { randomStream } from '../../util/random';

let model: Model;
beforeAll(async () => {
  require('@tensorflow/tfjs');
  await tf.setBackend('cpu');
  const engine = tfjsEngine('cpu');
  useEngine(engine);
  const rawConfig = { model_type: 'gpt2', n_layer: 2, n_embd: 8, n_head: 2, vocab_size: 40, n_positions: 32 };
  const architecture = architectureFor('gpt2', 'config.json');
  const config = architecture.parseConfig(rawConfig, 'config.json');
  const random = randomStream(5);
  const weights = Object.fromEntries(
    Object.entries(architecture.weightShapes(config)).map(([name, shape]) => {
      const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() - 0.5);
      return [name, engine.parameter(values, shape, false)];
    }),
  );
  model = { architecture, config, weights, rawConfig, folder: 'tiny', contentHash: 'tiny' };
});

const pair = (prompt: number[], chosen: number[], rejected: number[]): TokenizedPair => ({
  prompt: Int32Array.from(prompt),
  chosen: Int32Array.from(chosen),
  rejected: Int32Array.from(rejected),
});
const pairs = [
  pair([1, 3], [4, 2], [5, 6, 7, 2]),
  pair([1, 9, 10, 11, 12], [13, 14, 2], [15, 2]),
  pair([1], [2], [17, 18, 2]),
  pair([1, 20, 21], [22, 23, 24, 25, 2], [2]),
];

/** log p(completion | prompt) from one sequence alone, by the definition. */
function alone(prompt: Int32Array, completion: Int32Array): number {
  const tokens = Int32Array.from([...prompt, ...completion]);
  const logProbs = tf.tidy(() => {
    const hidden = packedHidden(model, { tokens, ...sequenceLayout([tokens.length]) });
    const { weight } = model.architecture.head(model.weights, model.config);
    return tf.logSoftmax(tf.matMul(hidden, weight, false, true)).arraySync() as number[][];
  });
  return [...completion].reduce((sum, token, i) => sum + logProbs[prompt.length - 1 + i][token], 0);
}

test.each([1, 3, 10])('equals each sequence computed alone, in the order of the pairs, batch size %d', async (batchSize) => {
  const done: number[] = [];
  const before = tf.memory().numTensors;
  const sums = await pairLogProbs(model, pairs, batchSize, (event) => done.push(event.done));
  expect(tf.memory().numTensors).toBe(before);
  pairs.forEach(({ prompt, chosen, rejected }, i) => {
    expect(sums.chosen[i]).toBeCloseTo(alone(prompt, chosen), 4);
    expect(sums.rejected[i]).toBeCloseTo(alone(prompt, rejected), 4);
  });
  expect([done[0], done.at(-1)]).toEqual([0, 4]);
});
