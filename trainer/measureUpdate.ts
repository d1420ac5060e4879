import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../engine/engine';
import { accumulateGradients, globalNorm } from '../engine/ops/updates';
import { randomValues } from '../models/randomModel';
import { createOptimizer } from './optimizer';
import type { RunConfig } from './runConfig';

/** Trained numbers that are updated at most: more than caches hold. */
const UPDATED = 2 ** 25;

/** A run's update, ready to be timed. Each piece leaves nothing queued. */
export interface UpdatePieces {
  /** Clipping and the optimizer. */
  update: () => void;
  /** Making a sum of gradients of a first batch's, and adding another's to it. */
  first: () => void;
  next: () => void;
  /** How many times as many numbers the run trains. */
  scale: number;
  dispose: () => void;
}

/** Reads a value of a tensor: a GPU has then done all that was queued. */
export function finish(tensor: tf.Tensor): void {
  tf.tidy(() => tf.slice(tf.reshape(tensor, [-1]), 0, 1).dataSync());
}

/** The update of random weights of the given shapes, or as many of these as are enough. */
export async function updatePieces(config: RunConfig, shapes: readonly (readonly number[])[]): Promise<UpdatePieces> {
  const engine = currentEngine();
  const sizes = shapes.map((shape) => tf.util.sizeFromShape([...shape]));
  const kept: (readonly number[])[] = [];
  let count = 0;
  for (const [i, size] of sizes.entries()) {
    if (count === UPDATED) break;
    kept.push(count + size <= UPDATED ? shapes[i] : [UPDATED - count]);
    count = Math.min(UPDATED, count + size);
  }
  const make = (trainable: boolean, exact = false): tf.Variable[] =>
    kept.map((shape) => engine.parameter(randomValues(tf.util.sizeFromShape([...shape])), shape, trainable, exact));
  const weights = make(true);
  const accumulates = config.gradientAccumulationSteps > 1;
  // sums are float32 whatever the precision
  const grads = make(false, accumulates);
  const optimizer = await createOptimizer(config, Object.fromEntries(weights.map((weight, i) => [`weight${i}`, weight])));
  const added = (sums: readonly tf.Tensor[] | undefined): tf.Tensor[] => {
    const result = tf.tidy(() => accumulateGradients(sums, grads, 1e-3));
    finish(result[0]);
    return result;
  };
  let sums = accumulates ? added(undefined) : [];
  return {
    update: () => {
      tf.tidy(() => {
        const norm = globalNorm(grads);
        optimizer.update(grads, { learningRate: 1e-6, norm, maxNorm: config.maxGradNorm, step: 1 });
        // of the last weight: what a GPU does comes after the norm
        finish(weights[weights.length - 1]);
      });
    },
    first: () => accumulates && tf.dispose(added(undefined)),
    next: () => {
      if (accumulates) sums = added(sums);
    },
    scale: sizes.reduce((sum, size) => sum + size, 0) / count,
    dispose: () => {
      optimizer.dispose();
      tf.dispose([weights, grads, sums]);
    },
  };
}
