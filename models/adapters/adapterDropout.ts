import type * as tf from '@tensorflow/tfjs-core';
import { dropout } from '../../engine/ops/dropout';
import { seedFrom } from '../../util/random';
import type { Model } from '../types';
import type { AdapterDropout } from './types';

/** Runs `f` with the model's LoRA dropout active, drawn from the seed; everywhere else it is off: in evaluation and in the reference. */
export function withDropout<T>({ adapter }: Model, seed: number, f: () => T): T {
  if (!adapter || adapter.dropout.rate === 0) return f();
  adapter.dropout.seed = seed;
  try {
    return f();
  } finally {
    delete adapter.dropout.seed;
  }
}

/** What a module's low-rank part reads: x, with dropout where it is active; each module draws its own. @param x [T, I] */
export function dropped(x: tf.Tensor2D, module: string, { rate, seed }: AdapterDropout): tf.Tensor2D {
  return seed === undefined ? x : dropout(x, rate, seedFrom(seed, module));
}
