import type { GgufArchitecture } from '../ggufArchitecture';
import { shortestDecimal } from '../metadata';
import { decoderFields } from './decoderFields';
import { weightsAndBiases } from './moduleNames';
import { headsTogether } from './rowOrders';

const BLOCK_PARTS: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attention.query_key_value': 'attn_qkv',
  'self_attention.dense': 'attn_output',
  post_attention_layernorm: 'ffn_norm',
  'mlp.dense_h_to_4h': 'ffn_up',
  'mlp.dense_4h_to_h': 'ffn_down',
};

const NAMES: Readonly<Record<string, string>> = {
  'transformer.word_embeddings.weight': 'token_embd.weight',
  ...weightsAndBiases({ 'transformer.word_embeddings_layernorm': 'token_embd_norm', 'transformer.ln_f': 'output_norm' }),
  ...weightsAndBiases(BLOCK_PARTS, { hf: 'transformer.h.N.', gguf: 'blk.N.' }),
  'lm_head.weight': 'output.weight',
};

/** BLOOM. */
export const bloom: GgufArchitecture = (header) => {
  const { metadata } = header;
  const { layers, width, heads, headWidth, positions } = decoderFields(header, 4);
  const together = headsTogether(heads, headWidth);
  return {
    names: NAMES,
    change: (name) => (name.includes('.attn_qkv.') ? together : 'none'),
    config: {
      architectures: ['BloomForCausalLM'],
      model_type: 'bloom',
      apply_residual_connection_post_layernorm: false,
      attention_dropout: 0,
      hidden_dropout: 0,
      hidden_size: width,
      initializer_range: 0.02,
      layer_norm_epsilon: shortestDecimal(metadata.positive('bloom.attention.layer_norm_epsilon')),
      n_head: heads,
      n_layer: layers,
      // what it was trained on; nothing depends on it
      seq_length: positions,
      use_cache: true,
    },
  };
};
