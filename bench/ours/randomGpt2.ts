import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { architectureFor } from '../../models/registry';
import type { Model } from '../../models/types';
import { randomStream } from '../../util/random';

/** A GPT-2's shape, as every program of the benchmark takes it. */
export interface Gpt2Shape {
  layers: number;
  width: number;
  heads: number;
  vocabulary: number;
  positions: number;
}

/** A GPT-2 of the given shape on the current engine; weights uniform in ±0.035, the spread of transformers' normal(0, 0.02). */
export function randomGpt2(shape: Gpt2Shape, trainable = true): Model {
  const rawConfig = {
    model_type: 'gpt2',
    n_embd: shape.width,
    n_layer: shape.layers,
    n_head: shape.heads,
    n_positions: shape.positions,
    vocab_size: shape.vocabulary,
  };
  const architecture = architectureFor('gpt2', 'bench');
  const config = architecture.parseConfig(rawConfig, 'bench');
  const random = randomStream(0);
  const weights = Object.fromEntries(
    Object.entries(architecture.weightShapes(config)).map(([name, dimensions]) => {
      const isScale = /ln_[12f]\.weight$/.test(name);
      const values = new Float32Array(tf.util.sizeFromShape([...dimensions]));
      for (let i = 0; i < values.length; i++) values[i] = isScale ? 1 : (random() - 0.5) * 0.07;
      return [name, currentEngine().parameter(values, dimensions, trainable)];
    }),
  );
  return { architecture, config, weights, rawConfig, folder: 'bench', contentHash: 'bench' };
}
