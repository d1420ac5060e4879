import type { GgufArchitecture } from '../ggufArchitecture';
import { shortestDecimal } from '../metadata';
import { decoderFields } from './decoderFields';
import { GEMMA_NAMES, gemmaChange } from './gemmaWeights';

/** Gemma 3's largest text model, told by its layers, scales queries by width / heads instead of the head's width (llama.cpp, gemma3). */
const LARGEST_LAYERS = 62;
/** Neither is in the metadata; llama.cpp and transformers have them as constants. */
const SLIDING_PATTERN = 6;
const LOCAL_ROPE_BASE = 10000;

/** Gemma 3's text models. */
export const gemma3: GgufArchitecture = (header) => {
  const { metadata } = header;
  const { layers, width, innerWidth, heads, keyValueHeads, headWidth, positions } = decoderFields(header);
  const softcap = metadata.has('gemma3.final_logit_softcapping') ? metadata.positive('gemma3.final_logit_softcapping') : null;
  const scaling = metadata.text('gemma3.rope.scaling.type', 'none');
  return {
    names: GEMMA_NAMES,
    change: gemmaChange,
    config: {
      architectures: ['Gemma3ForCausalLM'],
      model_type: 'gemma3_text',
      attention_bias: false,
      attention_dropout: 0,
      attn_logit_softcapping: null,
      final_logit_softcapping: softcap,
      head_dim: headWidth,
      hidden_activation: 'gelu_pytorch_tanh',
      hidden_size: width,
      initializer_range: 0.02,
      intermediate_size: innerWidth,
      layer_types: Array.from({ length: layers }, (_, layer) =>
        (layer + 1) % SLIDING_PATTERN === 0 ? 'full_attention' : 'sliding_attention',
      ),
      max_position_embeddings: positions,
      num_attention_heads: heads,
      num_hidden_layers: layers,
      num_key_value_heads: keyValueHeads,
      query_pre_attn_scalar: layers === LARGEST_LAYERS ? width / heads : headWidth,
      rms_norm_eps: shortestDecimal(metadata.positive('gemma3.attention.layer_norm_rms_epsilon')),
      rope_local_base_freq: LOCAL_ROPE_BASE,
      // scaling, where there is any, is for the full layers alone
      rope_scaling: scaling === 'none' ? null : { rope_type: scaling, factor: metadata.positive('gemma3.rope.scaling.factor') },
      rope_theta: metadata.positive('gemma3.rope.freq_base', 1e6),
      sliding_window: metadata.count('gemma3.attention.sliding_window'),
      sliding_window_pattern: SLIDING_PATTERN,
      use_cache: true,
    },
  };
};
