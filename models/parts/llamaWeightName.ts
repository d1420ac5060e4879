import type { BaseConfig } from '../types';

/**
 * The current name of a tensor of a checkpoint that is laid out as Llama's: with or without the `model.` prefix, the head beside the
 * embedding that it is tied to, and buffers of old releases left out (`null`).
 */
export function llamaWeightName(name: string, { tiedHead }: Pick<BaseConfig, 'tiedHead'>): string | null {
  if (name === 'lm_head.weight') return tiedHead ? null : name;
  const inner = name.replace(/^model\./, '');
  // a buffer of old releases, one for each layer and then one for all
  if (/^(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$/.test(inner)) return null;
  return /^(embed_tokens|layers|norm)\./.test(inner) ? `model.${inner}` : name;
}
