import {
  activationField,
  fieldError,
  flag,
  optionalPositiveNumber,
  positiveInteger,
  positiveNumber,
  refuse,
  requireMultiple,
  section,
  text,
  type ConfigSource,
} from './configFields';
import { gemmaDecoder, type GemmaDecoderConfig } from './parts/gemmaDecoder';
import { LAYER_TYPES, patternWindows } from './parts/layerWindows';
import type { Rotary } from './parts/rotaryScaling';
import type { Architecture } from './types';

/** `gemma3` is the image and text model, with the text model's fields in `text_config`; `gemma3_text` has them at the top. */
function textSource(json: Readonly<Record<string, unknown>>, file: string): ConfigSource {
  const top: ConfigSource = { json, file };
  return section(top, 'text_config') ?? top;
}

function rotaryBase(source: ConfigSource | undefined, fallback: number, width: number): Rotary {
  if (!source) return { base: fallback, width, scaling: { type: 'default' } };
  const type = text(source, ['rope_type', 'type'], 'default');
  if (type !== 'default' && type !== 'linear') throw fieldError(source, 'rope_type', type, 'default or linear');
  const partial = positiveNumber(source, 'partial_rotary_factor', 1);
  if (partial !== 1) throw fieldError(source, 'partial_rotary_factor', partial, '1');
  const base = positiveNumber(source, 'rope_theta', fallback);
  return { base, width, scaling: type === 'linear' ? { type, factor: positiveNumber(source, 'factor') } : { type } };
}

/** Defaults are those of transformers' Gemma3TextConfig: Google's own files name only what differs from them. */
function parseConfig(json: Readonly<Record<string, unknown>>, file: string): GemmaDecoderConfig {
  const source = textSource(json, file);
  refuse(source, ['use_bidirectional_attention']);
  const layers = positiveInteger(source, 'num_hidden_layers', 26);
  const heads = positiveInteger(source, 'num_attention_heads', 8);
  const keyValueHeads = positiveInteger(source, 'num_key_value_heads', 4);
  const headWidth = positiveInteger(source, 'head_dim', 256);
  requireMultiple(source, 'num_attention_heads', heads, 'num_key_value_heads', keyValueHeads);
  requireMultiple(source, 'head_dim', headWidth, 'the two halves of a rotary head', 2);
  const parameters = section(source, 'rope_parameters');
  if (parameters) {
    const stranger = Object.keys(parameters.json).find((key) => !(LAYER_TYPES as readonly string[]).includes(key));
    if (stranger)
      throw fieldError(parameters, stranger, parameters.json[stranger], `absent: rope_parameters holds ${LAYER_TYPES.join(' and ')}`);
  }
  const windows = patternWindows(source, layers, positiveInteger(source, ['sliding_window_pattern', '_sliding_window_pattern'], 6));
  const fullBase = positiveNumber(source, 'rope_theta', 1e6);
  const slidingBase = positiveNumber(source, 'rope_local_base_freq', 1e4);
  const tiedAtTop = flag({ json, file }, 'tie_word_embeddings', true);
  return {
    modelType: 'gemma3_text',
    layers,
    width: positiveInteger(source, 'hidden_size', 2304),
    heads,
    keyValueHeads,
    headWidth,
    vocabulary: positiveInteger(source, 'vocab_size', 262208),
    maxPositions: positiveInteger(source, 'max_position_embeddings', 131072),
    windows: [...new Set(windows)].filter((window) => window > 0),
    tiedHead: flag(source, 'tie_word_embeddings', tiedAtTop),
    innerWidth: positiveInteger(source, 'intermediate_size', 9216),
    activation: activationField(source, ['hidden_activation', 'hidden_act'], 'gelu_pytorch_tanh'),
    epsilon: positiveNumber(source, 'rms_norm_eps', 1e-6),
    attentionScale: 1 / Math.sqrt(positiveNumber(source, 'query_pre_attn_scalar', 256)),
    attentionBias: flag(source, 'attention_bias', false),
    headNorms: true,
    layerWindows: windows,
    slidingRotary: rotaryBase(parameters && section(parameters, 'sliding_attention'), slidingBase, headWidth),
    fullRotary: rotaryBase(parameters ? section(parameters, 'full_attention') : section(source, 'rope_scaling'), fullBase, headWidth),
    finalSoftcap: optionalPositiveNumber(source, 'final_logit_softcapping'),
    // attn_logit_softcapping stands in every Gemma 3 config and no implementation reads it: Gemma 3 replaced it by query and key norms
  };
}

function canonicalName(name: string, config: GemmaDecoderConfig): string | null {
  // the image and text model: its text model has had three names, its other parts are not ours
  if (/^(model\.)?(vision_tower|multi_modal_projector)\./.test(name)) return null;
  const inner = name
    .replace(/^(language_model\.model|model\.language_model|model)\./, '')
    .replace(/^language_model\.lm_head\./, 'lm_head.');
  if (inner === 'lm_head.weight') return config.tiedHead ? null : inner;
  if (/(^|\.)rotary_emb(_local)?\.inv_freq$/.test(inner)) return null;
  return /^(embed_tokens|layers|norm)\./.test(inner) ? `model.${inner}` : name;
}

/** Gemma 3's text model (arXiv 2503.19786), as transformers' `Gemma3ForCausalLM`. */
export const gemma3: Architecture<GemmaDecoderConfig> = {
  ...gemmaDecoder,
  modelTypes: ['gemma3_text', 'gemma3'],
  parseConfig,
  canonicalName,
  savedConfig(json) {
    const inner = json.text_config as Readonly<Record<string, unknown>> | undefined;
    if (!inner) return json;
    return {
      tie_word_embeddings: json.tie_word_embeddings ?? true,
      ...inner,
      model_type: 'gemma3_text',
      architectures: ['Gemma3ForCausalLM'],
      ...Object.fromEntries(
        ['bos_token_id', 'eos_token_id', 'pad_token_id'].filter((key) => key in json && !(key in inner)).map((key) => [key, json[key]]),
      ),
    };
  },
};
