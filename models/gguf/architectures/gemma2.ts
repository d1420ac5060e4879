import type { GgufArchitecture } from '../ggufArchitecture';
import { shortestDecimal } from '../metadata';
import { decoderFields } from './decoderFields';
import { GEMMA_NAMES, gemmaChange } from './gemmaWeights';
import { ropeFields } from './ropeFields';

/** Gemma 2 27B, told by its layers, scales queries by width / heads instead of the head's width (llama.cpp, gemma2). */
const LARGEST_LAYERS = 46;

/** Gemma 2. */
export const gemma2: GgufArchitecture = (header) => {
  const { metadata } = header;
  const { layers, width, innerWidth, heads, keyValueHeads, headWidth, positions } = decoderFields(header);
  return {
    names: GEMMA_NAMES,
    change: gemmaChange,
    config: {
      architectures: ['Gemma2ForCausalLM'],
      model_type: 'gemma2',
      attention_bias: false,
      attention_dropout: 0,
      attn_logit_softcapping: metadata.positive('gemma2.attn_logit_softcapping', 50),
      final_logit_softcapping: metadata.positive('gemma2.final_logit_softcapping', 30),
      head_dim: headWidth,
      hidden_act: 'gelu_pytorch_tanh',
      hidden_activation: 'gelu_pytorch_tanh',
      hidden_size: width,
      initializer_range: 0.02,
      intermediate_size: innerWidth,
      layer_types: Array.from({ length: layers }, (_, layer) => (layer % 2 === 1 ? 'full_attention' : 'sliding_attention')),
      max_position_embeddings: positions,
      num_attention_heads: heads,
      num_hidden_layers: layers,
      num_key_value_heads: keyValueHeads,
      query_pre_attn_scalar: layers === LARGEST_LAYERS ? width / heads : headWidth,
      rms_norm_eps: shortestDecimal(metadata.positive('gemma2.attention.layer_norm_rms_epsilon')),
      ...ropeFields(header, headWidth),
      sliding_window: metadata.count('gemma2.attention.sliding_window', 4096),
      use_cache: true,
    },
  };
};
