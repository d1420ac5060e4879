/*
 * Times single operations of the torch engine from TypeScript, in milliseconds: the cost of dispatch and threads on small tensors.
 *
 *   node dist/bench/opTimes.js
 */
import * as tf from '@tensorflow/tfjs-core';
import { linear } from '../engine/ops/linear';
import { rmsNorm } from '../engine/ops/norms';
import { startEngine } from '../engine/startEngine';

function report(name: string, f: () => tf.Tensor, runs: number): void {
  f().dispose();
  const began = performance.now();
  for (let i = 0; i < runs; i++) f().dispose();
  process.stdout.write(`${name.padEnd(40)} ${((performance.now() - began) / runs).toFixed(4)}\n`);
}

async function main(): Promise<void> {
  const engine = await startEngine({ engine: 'torch', device: 'auto', precision: 'float32' });
  process.stdout.write(`${engine.description}\n`);
  const scalar = tf.scalar(1);
  const x = tf.fill<tf.Rank.R2>([150, 640], 0.5);
  const weight = tf.fill([2048, 640], 0.01);
  const scale = tf.fill([640], 0.01);
  report('add, two scalars', () => tf.add(scalar, scalar), 10000);
  report('add, two of 150 x 640', () => tf.add(x, x), 200);
  report('rmsNorm, 150 x 640', () => rmsNorm(x, scale, 1e-6, 1), 200);
  report('linear, 150 x 640 times 640 x 2048', () => linear(x, weight), 50);
}

void main();
