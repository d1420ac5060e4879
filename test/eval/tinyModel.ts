import { currentEngine } from '../../engine/engine';
import { gemma3 } from '../../models/gemma3';
import { gpt2 } from '../../models/gpt2';
import type { TextTokenizer } from '../../models/tokenizer';
import type { Architecture, Model } from '../../models/types';
import { randomStream } from '../../util/random';

const CONFIGS = {
  gpt2: { architecture: gpt2 as Architecture, json: { n_embd: 8, n_head: 2, n_layer: 3, vocab_size: 30, n_positions: 40 } },
  gemma3: {
    architecture: gemma3 as Architecture,
    json: {
      hidden_size: 8,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      head_dim: 4,
      num_hidden_layers: 3,
      intermediate_size: 12,
      vocab_size: 30,
      sliding_window: 4,
      sliding_window_pattern: 2,
      max_position_embeddings: 40,
      query_pre_attn_scalar: 4,
    },
  },
};

/** A small model with seeded random weights. */
export function tinyModel(kind: keyof typeof CONFIGS, seed = 1): Model {
  const { architecture, json } = CONFIGS[kind];
  const config = architecture.parseConfig(json, 'config.json');
  const random = randomStream(seed);
  const engine = currentEngine();
  const weights = Object.fromEntries(
    Object.entries(architecture.weightShapes(config)).map(([name, shape]) => {
      const size = shape.reduce((product, length) => product * length, 1);
      return [
        name,
        engine.parameter(
          Float32Array.from({ length: size }, () => (random() - 0.5) * 1.5),
          shape,
          false,
        ),
      ];
    }),
  );
  return { architecture, config, weights, rawConfig: json, folder: 'tiny', contentHash: `tiny ${kind} ${seed}` };
}

/** Token n is the n-th letter, from 3; 1 starts a text, 2 ends one. */
export const letters: TextTokenizer = {
  encode: (text) => [...text].map((letter) => letter.charCodeAt(0) - 97 + 3),
  decode: (ids) => Array.from(ids, (id) => String.fromCharCode(id + 94)).join(''),
  bosId: 1,
  eosId: 2,
  size: 29,
  hash: 'letters',
};
