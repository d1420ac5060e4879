import { weightsAndBiases } from './moduleNames';

/** GGUF names by Hugging Face names, as Llama and its kin have them; biases and normed heads where a model has such. */
const PRODUCTS: Readonly<Record<string, string>> = {
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

export const LLAMA_NAMES: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.layers.N.input_layernorm.weight': 'blk.N.attn_norm.weight',
  'model.layers.N.post_attention_layernorm.weight': 'blk.N.ffn_norm.weight',
  'model.layers.N.self_attn.q_norm.weight': 'blk.N.attn_q_norm.weight',
  'model.layers.N.self_attn.k_norm.weight': 'blk.N.attn_k_norm.weight',
  ...weightsAndBiases(PRODUCTS, { hf: 'model.layers.N.', gguf: 'blk.N.' }),
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};
