/*
 * Times one piece of a step, `op`: `logProbs` (token log-probabilities of a vocabulary-sized head, with gradients), `attention` (packed pairs
 * that share their prompts, with gradients) or `optimizer` (clipping and one RMSProp update of a GPT-2's weights).
 * bench/peers/tensorOps.py does the same work in plain PyTorch.
 *
 *   node dist/bench/ours/tensorOps.js '{"op": "attention", "pairs": "pairs.json"}'
 */
import * as tf from '@tensorflow/tfjs-core';
import { packPairs } from '../../datasets/pack';
import { currentEngine } from '../../engine/engine';
import { packedAttention } from '../../engine/ops/attention';
import { attentionIndex } from '../../engine/ops/attentionIndex';
import { tokenLogProbs } from '../../engine/ops/tokenLogProbs';
import { globalNorm } from '../../engine/ops/updates';
import { createOptimizer } from '../../trainer/optimizer';
import { resolveRunConfig } from '../../trainer/runConfig';
import { randomStream } from '../../util/random';
import { readBenchPairs } from '../pairs';
import { printResult, startProgram, timed } from './program';
import { randomGpt2 } from './randomGpt2';
import { stepDefaults } from './stepContext';

const defaults = { ...stepDefaults, op: 'attention', rows: 256, runs: 10 };
type Options = typeof defaults;

const random = randomStream(0);

function parameter(...shape: number[]): tf.Variable {
  const values = new Float32Array(tf.util.sizeFromShape(shape));
  for (let i = 0; i < values.length; i++) values[i] = random() - 0.5;
  return currentEngine().parameter(values, shape, true);
}

/** Values and gradients once; waits for them. */
function differentiate(f: () => tf.Scalar, weights: tf.Variable[]): void {
  const { loss, grads } = currentEngine().valueAndGrads(() => ({ loss: f() }), weights);
  loss.dataSync();
  if (grads.length > 0) tf.tidy(() => tf.slice(tf.reshape(grads[0], [-1]), 0, 1).dataSync());
  tf.dispose([loss, ...grads]);
}

function logProbs({ rows, width, vocabulary }: Options): () => void {
  const [hidden, head] = [parameter(rows, width), parameter(vocabulary, width)];
  const targets = tf.tensor1d(
    Int32Array.from({ length: rows }, () => Math.floor(random() * vocabulary)),
    'int32',
  );
  const as2d = (weight: tf.Variable): tf.Tensor2D => weight as tf.Tensor as tf.Tensor2D;
  return () => differentiate(() => tf.mean(tokenLogProbs(as2d(hidden), as2d(head), targets)), [hidden, head]);
}

function attention({ pairs, vocabulary, batch, heads, width }: Options): () => void {
  const packed = packPairs(readBenchPairs(pairs, vocabulary).slice(0, batch));
  const rows = packed.tokens.length;
  const index = attentionIndex(packed.layout, { headWidth: width / heads });
  const weights = [0, 1, 2].map(() => parameter(rows, heads, width / heads));
  const [q, k, v] = weights as tf.Tensor[] as tf.Tensor3D[];
  return () => differentiate(() => tf.mean(packedAttention(q, k, v, index, { scale: 1 / Math.sqrt(width / heads) })), weights);
}

async function optimizer(options: Options): Promise<(place: number) => void> {
  const { weights } = randomGpt2(options);
  const config = await resolveRunConfig({ model: 'bench', train: 'bench', output: 'bench', optimizer: 'rmsprop', maxGradNorm: 10 });
  const update = await createOptimizer(config, weights);
  const grads = Object.values(weights).map(({ shape, size }) => currentEngine().parameter(new Float32Array(size).fill(1e-3), shape, false));
  return (place) =>
    tf.tidy(() => {
      const norm = globalNorm(grads);
      update.update(grads, { learningRate: 1e-6, norm, maxNorm: 10, step: place + 1 });
      // the last update is in the queue before this read
      tf.slice(tf.reshape(Object.values(weights).at(-1)!, [-1]), 0, 1).dataSync();
    });
}

async function main(): Promise<void> {
  const options = await startProgram(defaults);
  const makers: Record<string, (o: Options) => ((place: number) => void) | Promise<(place: number) => void>> = {
    logProbs,
    attention,
    optimizer,
  };
  printResult(await timed(options, await makers[options.op](options)));
}

void main();
