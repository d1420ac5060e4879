import { UserError } from '../../../util/errors';
import type { GgufArchitecture } from '../ggufArchitecture';
import { shortestDecimal } from '../metadata';
import { decoderFields } from './decoderFields';
import { weightsAndBiases } from './moduleNames';
import { headsTogether } from './rowOrders';

const BLOCK_PARTS: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ffn_norm',
  'attention.query_key_value': 'attn_qkv',
  'attention.dense': 'attn_output',
  'mlp.dense_h_to_4h': 'ffn_up',
  'mlp.dense_4h_to_h': 'ffn_down',
};

const NAMES: Readonly<Record<string, string>> = {
  'gpt_neox.embed_in.weight': 'token_embd.weight',
  ...weightsAndBiases({ 'gpt_neox.final_layer_norm': 'output_norm' }),
  ...weightsAndBiases(BLOCK_PARTS, { hf: 'gpt_neox.layers.N.', gguf: 'blk.N.' }),
  'embed_out.weight': 'output.weight',
};

/** GPT-NeoX and Pythia. The activation is in no file: theirs is the exact GELU. */
export const gptNeox: GgufArchitecture = (header) => {
  const { metadata, tensors } = header;
  const { layers, width, innerWidth, heads, headWidth, positions } = decoderFields(header);
  const together = headsTogether(heads, headWidth);
  const turned = metadata.count('gptneox.rope.dimension_count', headWidth);
  if (turned > headWidth)
    throw new UserError(
      `${metadata.path}: metadata entry gptneox.rope.dimension_count is ${turned}; it must be at most ${headWidth}, a head's width`,
    );
  return {
    names: NAMES,
    change: (name) => (name.includes('.attn_qkv.') ? together : 'none'),
    config: {
      architectures: ['GPTNeoXForCausalLM'],
      model_type: 'gpt_neox',
      attention_bias: tensors.has('blk.0.attn_qkv.bias'),
      attention_dropout: 0,
      hidden_act: 'gelu',
      hidden_dropout: 0,
      hidden_size: width,
      initializer_range: 0.02,
      intermediate_size: innerWidth,
      layer_norm_eps: shortestDecimal(metadata.positive('gptneox.attention.layer_norm_epsilon')),
      max_position_embeddings: positions,
      num_attention_heads: heads,
      num_hidden_layers: layers,
      rotary_emb_base: metadata.positive('gptneox.rope.freq_base', 10_000),
      rotary_pct: turned / headWidth,
      use_cache: true,
      use_parallel_residual: metadata.flag('gptneox.use_parallel_residual', true),
    },
  };
};
