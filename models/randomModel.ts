import type * as tf from '@tensorflow/tfjs-core';
import { currentEngine, type Quantization } from '../engine/engine';
import { randomStream } from '../util/random';
import { quantizedNames } from './loadModel';
import type { Architecture, BaseConfig, Model } from './types';

export interface RandomOptions {
  /** What messages call it. */
  name: string;
  trainable: boolean;
  /** Keep the linear layers' weights in 4 bits. */
  quantization?: Quantization | undefined;
  /** The next weight's values; by default `randomValues`. */
  values?: (count: number) => Float32Array;
}

/** Numbers that are drawn; larger weights repeat them. */
const DRAWN = 2 ** 16;

/** Uniform in ±0.035, the spread of transformers' normal(0, 0.02). */
export function randomValues(count: number): Float32Array {
  const random = randomStream(0);
  const values = new Float32Array(count);
  for (let i = 0; i < Math.min(DRAWN, count); i++) values[i] = (random() - 0.5) * 0.07;
  for (let done = DRAWN; done < count; done *= 2) values.copyWithin(done, 0, Math.min(done, count - done));
  return values;
}

/**
 * A model of random weights on the current engine, to be timed: norms' scales are 1. Free it with `disposeModel`.
 * @throws UserError for 4 bits on an engine that has none
 */
export function randomModel(architecture: Architecture, config: BaseConfig, options: RandomOptions): Model {
  const { name, trainable, quantization, values: draw = randomValues } = options;
  const engine = currentEngine();
  const packed = quantization ? quantizedNames({ architecture, config }, engine, quantization) : new Set<string>();
  const weights = Object.entries(architecture.weightShapes(config)).map(([weightName, shape]): [string, tf.Variable] => {
    const count = shape.reduce((product, length) => product * length, 1);
    const values = shape.length === 1 && weightName.endsWith('.weight') ? new Float32Array(count).fill(1) : draw(count);
    const weight = packed.has(weightName)
      ? engine.quantizedParameter!(values, shape, quantization!, architecture.inputFirst ?? false)
      : engine.parameter(values, shape, trainable);
    return [weightName, weight];
  });
  const identity = { rawConfig: { model_type: config.modelType }, folder: name, contentHash: 'random' };
  return { architecture, config, weights: Object.fromEntries(weights), ...identity, ...(quantization && { quantization }) };
}
