import * as tf from '@tensorflow/tfjs-core';
import { gated, type ActivationName } from '../engine/ops/activations';
import { embedding, linear } from '../engine/ops/linear';
import { rmsNorm } from '../engine/ops/norms';
import { inverseFrequencies, rotary, rotaryAngles } from '../engine/ops/rotary';
import {
  activationField,
  fieldError,
  flag,
  optionalList,
  optionalPositiveNumber,
  positiveInteger,
  positiveNumber,
  refuse,
  requireMultiple,
  section,
  text,
  type ConfigSource,
} from './configFields';
import type { Architecture, BaseConfig, ForwardInput, Weights } from './types';

/** Angles of one kind of layer: 1 / base^(2i/D), divided by `factor` (linear scaling, arXiv 2306.15595). */
interface RotaryBase {
  base: number;
  factor: number;
}

/** Gemma 3's text model (arXiv 2503.19786), as transformers' `Gemma3ForCausalLM`. */
export interface Gemma3Config extends BaseConfig {
  innerWidth: number;
  activation: ActivationName;
  epsilon: number;
  attentionScale: number;
  attentionBias: boolean;
  /** The sliding window of each layer; 0: full attention. */
  layerWindows: readonly number[];
  slidingRotary: RotaryBase;
  fullRotary: RotaryBase;
  /** Soft cap on the logits. */
  finalSoftcap?: number;
}

const LAYER_TYPES = ['sliding_attention', 'full_attention'] as const;

/** `gemma3` is the image and text model, with the text model's fields in `text_config`; `gemma3_text` has them at the top. */
function textSource(json: Readonly<Record<string, unknown>>, file: string): ConfigSource {
  const top: ConfigSource = { json, file };
  return section(top, 'text_config') ?? top;
}

function rotaryBase(source: ConfigSource | undefined, fallback: number): RotaryBase {
  if (!source) return { base: fallback, factor: 1 };
  const type = text(source, ['rope_type', 'type'], 'default');
  if (type !== 'default' && type !== 'linear') throw fieldError(source, 'rope_type', type, 'default or linear');
  const partial = positiveNumber(source, 'partial_rotary_factor', 1);
  if (partial !== 1) throw fieldError(source, 'partial_rotary_factor', partial, '1');
  return { base: positiveNumber(source, 'rope_theta', fallback), factor: type === 'linear' ? positiveNumber(source, 'factor') : 1 };
}

function layerWindows(source: ConfigSource, layers: number): number[] {
  const pattern = positiveInteger(source, ['sliding_window_pattern', '_sliding_window_pattern'], 6);
  const types =
    optionalList(source, 'layer_types', LAYER_TYPES, layers) ??
    Array.from({ length: layers }, (_, layer) => LAYER_TYPES[(layer + 1) % pattern === 0 ? 1 : 0]);
  if (!types.includes('sliding_attention')) return types.map(() => 0);
  // a null is not the default: transformers has no window then, and refuses sliding layers
  if (source.json.sliding_window === null) throw fieldError(source, 'sliding_window', null, 'a whole number above 0');
  const window = positiveInteger(source, 'sliding_window', 4096);
  return types.map((type) => (type === 'sliding_attention' ? window : 0));
}

/** Defaults are those of transformers' Gemma3TextConfig: Google's own files name only what differs from them. */
function parseConfig(json: Readonly<Record<string, unknown>>, file: string): Gemma3Config {
  const source = textSource(json, file);
  refuse(source, ['use_bidirectional_attention', 'quantization_config']);
  refuse({ json, file }, ['quantization_config']);
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
  const windows = layerWindows(source, layers);
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
    layerWindows: windows,
    slidingRotary: rotaryBase(parameters && section(parameters, 'sliding_attention'), slidingBase),
    fullRotary: rotaryBase(parameters ? section(parameters, 'full_attention') : section(source, 'rope_scaling'), fullBase),
    finalSoftcap: optionalPositiveNumber(source, 'final_logit_softcapping'),
    // attn_logit_softcapping stands in every Gemma 3 config and no implementation reads it: Gemma 3 replaced it by query and key norms
  };
}

function weightShapes(config: Gemma3Config): Record<string, number[]> {
  const { width, innerWidth, headWidth } = config;
  const queryWidth = config.heads * headWidth;
  const keyWidth = config.keyValueHeads * headWidth;
  const shapes: Record<string, number[]> = { 'model.embed_tokens.weight': [config.vocabulary, width] };
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `model.layers.${layer}`;
    Object.assign(shapes, {
      [`${block}.input_layernorm.weight`]: [width],
      [`${block}.self_attn.q_proj.weight`]: [queryWidth, width],
      [`${block}.self_attn.k_proj.weight`]: [keyWidth, width],
      [`${block}.self_attn.v_proj.weight`]: [keyWidth, width],
      [`${block}.self_attn.o_proj.weight`]: [width, queryWidth],
      [`${block}.self_attn.q_norm.weight`]: [headWidth],
      [`${block}.self_attn.k_norm.weight`]: [headWidth],
      [`${block}.post_attention_layernorm.weight`]: [width],
      [`${block}.pre_feedforward_layernorm.weight`]: [width],
      [`${block}.mlp.gate_proj.weight`]: [innerWidth, width],
      [`${block}.mlp.up_proj.weight`]: [innerWidth, width],
      [`${block}.mlp.down_proj.weight`]: [width, innerWidth],
      [`${block}.post_feedforward_layernorm.weight`]: [width],
    });
    if (config.attentionBias) {
      Object.assign(shapes, {
        [`${block}.self_attn.q_proj.bias`]: [queryWidth],
        [`${block}.self_attn.k_proj.bias`]: [keyWidth],
        [`${block}.self_attn.v_proj.bias`]: [keyWidth],
        [`${block}.self_attn.o_proj.bias`]: [width],
      });
    }
  }
  shapes['model.norm.weight'] = [width];
  if (!config.tiedHead) shapes['lm_head.weight'] = [config.vocabulary, width];
  return shapes;
}

function canonicalName(name: string, config: Gemma3Config): string | null {
  // the image and text model: its text model has had three names, its other parts are not ours
  if (/^(model\.)?(vision_tower|multi_modal_projector)\./.test(name)) return null;
  const inner = name
    .replace(/^(language_model\.model|model\.language_model|model)\./, '')
    .replace(/^language_model\.lm_head\./, 'lm_head.');
  if (inner === 'lm_head.weight') return config.tiedHead ? null : inner;
  if (/(^|\.)rotary_emb(_local)?\.inv_freq$/.test(inner)) return null;
  return /^(embed_tokens|layers|norm)\./.test(inner) ? `model.${inner}` : name;
}

interface Angles {
  cos: tf.Tensor2D;
  sin: tf.Tensor2D;
}

function block(
  weights: Weights,
  config: Gemma3Config,
  layer: number,
  x: tf.Tensor2D,
  { cos, sin }: Angles,
  input: ForwardInput,
): tf.Tensor2D {
  const { attend, tap } = input;
  const w = (name: string): tf.Variable => weights[`model.layers.${layer}.${name}`];
  const norm = (value: tf.Tensor, name: string): tf.Tensor => rmsNorm(value, w(`${name}.weight`), config.epsilon, 1);
  const rows = x.shape[0];
  const window = config.layerWindows[layer];
  const project = (value: tf.Tensor2D, name: string): tf.Tensor2D =>
    linear(value, w(`${name}.weight`), config.attentionBias ? w(`${name}.bias`) : undefined);

  const normed = norm(x, 'input_layernorm') as tf.Tensor2D;
  const split = (name: string, heads: number): tf.Tensor3D =>
    tf.reshape(project(normed, `self_attn.${name}`), [rows, heads, config.headWidth]);
  const q = rotary(norm(split('q_proj', config.heads), 'self_attn.q_norm') as tf.Tensor3D, cos, sin);
  const k = rotary(norm(split('k_proj', config.keyValueHeads), 'self_attn.k_norm') as tf.Tensor3D, cos, sin);
  const v = split('v_proj', config.keyValueHeads);
  const mixed = attend(layer, q, k, v, window > 0 ? { scale: config.attentionScale, window } : { scale: config.attentionScale });
  const projected = project(tf.reshape(mixed, [rows, config.heads * config.headWidth]), 'self_attn.o_proj');
  let attention = norm(projected, 'post_attention_layernorm') as tf.Tensor2D;
  if (tap) attention = tap(`blocks.${layer}.attn.out`, attention);
  const middle = tf.add<tf.Tensor2D>(x, attention);

  const normedMiddle = norm(middle, 'pre_feedforward_layernorm') as tf.Tensor2D;
  let inner = gated(
    linear(normedMiddle, w('mlp.gate_proj.weight')),
    linear(normedMiddle, w('mlp.up_proj.weight')),
    config.activation,
  ) as tf.Tensor2D;
  if (tap) inner = tap(`blocks.${layer}.mlp.act`, inner);
  let mlp = norm(linear(inner, w('mlp.down_proj.weight')), 'post_feedforward_layernorm') as tf.Tensor2D;
  if (tap) mlp = tap(`blocks.${layer}.mlp.out`, mlp);
  return tf.add(middle, mlp);
}

function forward(weights: Weights, config: Gemma3Config, input: ForwardInput): tf.Tensor2D {
  const { tokens, positions, tap } = input;
  const angles = ({ base, factor }: RotaryBase): Angles =>
    rotaryAngles(
      positions,
      inverseFrequencies(base, config.headWidth).map((frequency) => frequency / factor),
    );
  const full = angles(config.fullRotary);
  const sliding = angles(config.slidingRotary);
  let x = tf.mul<tf.Tensor2D>(embedding(tokens, weights['model.embed_tokens.weight']), Math.sqrt(config.width));
  if (tap) x = tap('embed', x);
  for (let layer = 0; layer < config.layers; layer++) {
    x = tf.tidy(() => block(weights, config, layer, x, config.layerWindows[layer] > 0 ? sliding : full, input));
    if (tap) x = tap(`blocks.${layer}.out`, x);
  }
  const normed = rmsNorm(x, weights['model.norm.weight'], config.epsilon, 1) as tf.Tensor2D;
  return tap ? tap('norm', normed) : normed;
}

export const gemma3: Architecture<Gemma3Config> = {
  modelTypes: ['gemma3_text', 'gemma3'],
  parseConfig,
  weightShapes,
  canonicalName,
  forward,
  head: (weights, config) => ({
    weight: weights[config.tiedHead ? 'model.embed_tokens.weight' : 'lm_head.weight'] as tf.Tensor as tf.Tensor2D,
    options: config.finalSoftcap ? { softcap: config.finalSoftcap } : {},
  }),
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
