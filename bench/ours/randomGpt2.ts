import { randomModel } from '../../models/randomModel';
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
  // every value is drawn: rows of an embedding that repeat would be tokens of equal probability
  const values = (count: number): Float32Array => {
    const drawn = new Float32Array(count);
    for (let i = 0; i < count; i++) drawn[i] = (random() - 0.5) * 0.07;
    return drawn;
  };
  return { ...randomModel(architecture, config, { name: 'bench', trainable, values }), rawConfig };
}
