import { activationField, flag, positiveInteger, positiveNumber, refuse, requireMultiple, type ConfigSource } from './configFields';
import { gemmaDecoder, type GemmaDecoderConfig } from './parts/gemmaDecoder';
import { patternWindows } from './parts/layerWindows';
import { llamaWeightName } from './parts/llamaWeightName';
import { rotaryFields, scaledContext } from './parts/rotaryFields';
import type { Architecture } from './types';

/** A soft cap: null is none, absent the default. */
function softcap(source: ConfigSource, name: string, fallback: number): number | undefined {
  return source.json[name] === null ? undefined : positiveNumber(source, name, fallback);
}

/** Defaults are those of transformers' Gemma2Config. */
function parseConfig(json: Readonly<Record<string, unknown>>, file: string): GemmaDecoderConfig {
  const source: ConfigSource = { json, file };
  refuse(source, ['use_bidirectional_attention']);
  const layers = positiveInteger(source, 'num_hidden_layers', 26);
  const heads = positiveInteger(source, 'num_attention_heads', 8);
  const keyValueHeads = positiveInteger(source, 'num_key_value_heads', 4);
  const headWidth = positiveInteger(source, 'head_dim', 256);
  requireMultiple(source, 'num_attention_heads', heads, 'num_key_value_heads', keyValueHeads);
  const windows = patternWindows(source, layers, 2);
  const maxPositions = positiveInteger(source, 'max_position_embeddings', 8192);
  const turned = rotaryFields(source, { headWidth, maxPositions });
  return {
    modelType: 'gemma2',
    layers,
    width: positiveInteger(source, 'hidden_size', 2304),
    heads,
    keyValueHeads,
    headWidth,
    vocabulary: positiveInteger(source, 'vocab_size', 256000),
    maxPositions: scaledContext(turned, maxPositions),
    windows: [...new Set(windows)].filter((window) => window > 0),
    tiedHead: flag(source, 'tie_word_embeddings', true),
    innerWidth: positiveInteger(source, 'intermediate_size', 9216),
    // hidden_act stands beside it in Google's files, and transformers reads this one alone
    activation: activationField(source, 'hidden_activation', 'gelu_pytorch_tanh'),
    epsilon: positiveNumber(source, 'rms_norm_eps', 1e-6),
    attentionScale: 1 / Math.sqrt(positiveNumber(source, 'query_pre_attn_scalar', 256)),
    attentionBias: flag(source, 'attention_bias', false),
    headNorms: false,
    layerWindows: windows,
    slidingRotary: turned,
    fullRotary: turned,
    attentionSoftcap: softcap(source, 'attn_logit_softcapping', 50),
    finalSoftcap: softcap(source, 'final_logit_softcapping', 30),
  };
}

/** Gemma 2 (arXiv 2408.00118), as transformers' `Gemma2ForCausalLM`: soft caps on scores and logits, a window on every other layer. */
export const gemma2: Architecture<GemmaDecoderConfig> = {
  ...gemmaDecoder,
  modelTypes: ['gemma2'],
  parseConfig,
  canonicalName: llamaWeightName,
};
