import type { GgufArchitecture, GgufHeader } from '../ggufArchitecture';
import { shortestDecimal } from '../metadata';
import { decoderFields } from './decoderFields';
import { LLAMA_NAMES } from './llamaNames';
import { ropeFields } from './ropeFields';

/** Not in the metadata; llama.cpp and transformers have it as a constant. */
const SLIDING_PATTERN = 4;

function cohereConfig(header: GgufHeader, modelType: string, className: string, base: number) {
  const { metadata, architecture } = header;
  const fields = decoderFields(header);
  return {
    architectures: [className],
    model_type: modelType,
    attention_bias: header.tensors.has('blk.0.attn_q.bias'),
    attention_dropout: 0,
    hidden_act: 'silu',
    hidden_size: fields.width,
    initializer_range: 0.02,
    intermediate_size: fields.innerWidth,
    layer_norm_eps: shortestDecimal(metadata.positive(`${architecture}.attention.layer_norm_epsilon`)),
    logit_scale: metadata.positive(`${architecture}.logit_scale`),
    max_position_embeddings: fields.positions,
    num_attention_heads: fields.heads,
    num_hidden_layers: fields.layers,
    num_key_value_heads: fields.keyValueHeads,
    ...ropeFields(header, fields.headWidth, base),
    use_cache: true,
  };
}

/** Command R and Aya 23; Command R+ norms its heads. Pairs that turn together lie side by side in either format. */
export const commandR: GgufArchitecture = (header) => ({
  names: LLAMA_NAMES,
  config: {
    ...cohereConfig(header, 'cohere', 'CohereForCausalLM', 10_000),
    use_qk_norm: header.tensors.has('blk.0.attn_q_norm.weight'),
  },
});

/** Command R7B and Aya's successors: every fourth layer attends to all, and knows no positions. */
export const cohere2: GgufArchitecture = (header) => {
  const config = cohereConfig(header, 'cohere2', 'Cohere2ForCausalLM', 10_000);
  const window = header.metadata.count('cohere2.attention.sliding_window');
  return {
    names: LLAMA_NAMES,
    config: {
      ...config,
      head_dim: config.hidden_size / config.num_attention_heads,
      layer_types: Array.from({ length: config.num_hidden_layers }, (_, layer) =>
        (layer + 1) % SLIDING_PATTERN === 0 ? 'full_attention' : 'sliding_attention',
      ),
      sliding_window: window,
      sliding_window_pattern: SLIDING_PATTERN,
    },
  };
};
