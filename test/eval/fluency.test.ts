import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../engine/startEngine';
import { continuationLogLikelihoods } from '../../eval/fluency';
import { packedHidden, sequenceLayout } from '../../models/packedForward';
import type { Model } from '../../models/types';
import { tinyModel } from './tinyModel';

let models: Record<string, Model>;
beforeAll(async () => {
  await startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' });
  models = { gpt2: tinyModel('gpt2'), gemma3: tinyModel('gemma3') };
});

/** From the logits of the whole sequence, as the definition says. */
function bruteForce(model: Model, prompt: Int32Array, continuation: Int32Array): number {
  return tf.tidy(() => {
    const tokens = Int32Array.from([...prompt, ...continuation]);
    const hidden = packedHidden(model, { tokens, ...sequenceLayout([tokens.length]) });
    const { weight } = model.architecture.head(model.weights, model.config);
    const logProbs = tf.logSoftmax(tf.matMul(hidden, weight, false, true)).arraySync() as number[][];
    let sum = 0;
    continuation.forEach((token, i) => (sum += logProbs[prompt.length + i - 1][token]));
    return sum / continuation.length;
  });
}

const a = Int32Array.of(1, 5, 6, 7);
const b = Int32Array.of(1, 9);
const prompts = [a, b, a, Int32Array.from(a), b, a, a];
const continuations = [[4, 4, 4, 8], [3], [], [20, 21], [11, 12, 13], [5], [6, 7, 8, 9, 10, 11]].map((ids) => Int32Array.from(ids));

test.each(['gpt2', 'gemma3'])('%s: as from the logits of each sequence alone, at any batch size', async (name) => {
  const model = models[name];
  const before = tf.memory().numTensors;
  for (const rowsAtOnce of [1, 9, 1000]) {
    const found = await continuationLogLikelihoods(model, prompts, continuations, rowsAtOnce);
    found.forEach((value, i) => {
      if (continuations[i].length === 0) expect(value).toBeNull();
      else expect(value).toBeCloseTo(bruteForce(model, prompts[i], continuations[i]), 5);
    });
  }
  expect(tf.memory().numTensors).toBe(before);
});

test('an even model gives -ln V', async () => {
  const model = tinyModel('gpt2');
  tf.tidy(() => Object.values(model.weights).forEach((weight) => weight.assign(tf.zerosLike(weight) as tf.Tensor)));
  const [value] = await continuationLogLikelihoods(model, [a], [Int32Array.of(3, 4)]);
  expect(value).toBeCloseTo(-Math.log(30), 6);
});

test('equal prompts are computed once', async () => {
  const seen: number[] = [];
  const { architecture, ...rest } = models.gpt2;
  const counted: Model = {
    ...rest,
    architecture: {
      ...architecture,
      forward: (weights, config, input) => {
        seen.push(input.tokens.shape[0]);
        return architecture.forward(weights, config, input);
      },
    },
  };
  await continuationLogLikelihoods(counted, prompts, continuations);
  // prompts 4 + 2, continuations without their last tokens 3 + 0 + 1 + 2 + 0 + 5
  expect(seen).toEqual([17]);
});

test('a token beyond the embedding is an error', async () => {
  for (const ids of [[30], [30, 3]])
    await expect(continuationLogLikelihoods(models.gpt2, [a], [Int32Array.from(ids)])).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(/token id 30 is beyond the embedding of tiny: it has 30 rows/),
    });
});
