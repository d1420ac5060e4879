import type { TensorChange } from '../ggufArchitecture';
import { LLAMA_NAMES } from './llamaNames';

/** GGUF names by Hugging Face names of Gemma 2 and 3: Llama's, and two norms more a layer. */
export const GEMMA_NAMES: Readonly<Record<string, string>> = {
  ...LLAMA_NAMES,
  'model.layers.N.post_attention_layernorm.weight': 'blk.N.post_attention_norm.weight',
  'model.layers.N.pre_feedforward_layernorm.weight': 'blk.N.ffn_norm.weight',
  'model.layers.N.post_feedforward_layernorm.weight': 'blk.N.post_ffw_norm.weight',
};

/** Gemma multiplies by 1 + w; GGUF stores 1 + w, so that llama.cpp may multiply by what it reads. */
export function gemmaChange(ggufName: string): TensorChange {
  return ggufName.endsWith('norm.weight') ? 'subtractOne' : 'none';
}
