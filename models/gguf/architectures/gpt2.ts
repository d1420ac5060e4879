import type { GgufArchitecture } from '../ggufArchitecture';
import { shortestDecimal } from '../metadata';
import { decoderFields } from './decoderFields';
import { weightsAndBiases } from './moduleNames';

const BLOCK_PARTS: Readonly<Record<string, string>> = {
  ln_1: 'attn_norm',
  'attn.c_attn': 'attn_qkv',
  'attn.c_proj': 'attn_output',
  ln_2: 'ffn_norm',
  'mlp.c_fc': 'ffn_up',
  'mlp.c_proj': 'ffn_down',
};

const NAMES: Readonly<Record<string, string>> = {
  'transformer.wte.weight': 'token_embd.weight',
  'transformer.wpe.weight': 'position_embd.weight',
  ...weightsAndBiases(BLOCK_PARTS, { hf: 'transformer.h.N.', gguf: 'blk.N.' }),
  ...weightsAndBiases({ 'transformer.ln_f': 'output_norm' }),
  'lm_head.weight': 'output.weight',
};

/** GPT-2, and mGPT. */
export const gpt2: GgufArchitecture = (header) => {
  const { metadata } = header;
  const { layers, width, innerWidth, heads, positions } = decoderFields(header, 4);
  return {
    names: NAMES,
    // GPT-2's Conv1D stores [in, out]; GGUF has every product as [out, in].
    change: (name) => (/^blk\.\d+\.(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/.test(name) ? 'transpose' : 'none'),
    config: {
      architectures: ['GPT2LMHeadModel'],
      model_type: 'gpt2',
      activation_function: 'gelu_new',
      attn_pdrop: 0.1,
      embd_pdrop: 0.1,
      initializer_range: 0.02,
      layer_norm_epsilon: shortestDecimal(metadata.positive('gpt2.attention.layer_norm_epsilon')),
      n_ctx: positions,
      n_embd: width,
      n_head: heads,
      n_inner: innerWidth,
      n_layer: layers,
      n_positions: positions,
      resid_pdrop: 0.1,
      use_cache: true,
    },
  };
};
