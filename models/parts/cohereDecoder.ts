import * as tf from '@tensorflow/tfjs-core';
import { gated, type ActivationName } from '../../engine/ops/activations';
import { embedding, linear } from '../../engine/ops/linear';
import { layerNorm } from '../../engine/ops/norms';
import { interleaved, rotary } from '../../engine/ops/rotary';
import { activationField, flag, positiveInteger, positiveNumber, requireMultiple, type ConfigSource } from '../configFields';
import type { Architecture, BaseConfig, BlockInput, ForwardInput, Weights } from '../types';
import { llamaWeightName } from './llamaWeightName';
import { rotaryFields, scaledContext } from './rotaryFields';
import { runBlock } from './runBlock';
import { scaledAngles, type Angles, type Rotary } from './rotaryScaling';

/** The decoder of Cohere's models: attention and a gated MLP beside each other behind one norm, rotary pairs interleaved, logits scaled. */
export interface CohereDecoderConfig extends BaseConfig {
  innerWidth: number;
  activation: ActivationName;
  epsilon: number;
  attentionBias: boolean;
  /** Whether each head's query and key are normed before they turn, with weights of their own a head. */
  headNorms: boolean;
  rotary: Rotary;
  /** The sliding window of each layer; 0: full attention. */
  layerWindows: readonly number[];
  /** Which layers turn their queries and keys; the others know no positions. */
  turningLayers: readonly boolean[];
  /** Factor on the logits. */
  logitScale: number;
}

type Shared = Omit<CohereDecoderConfig, 'headNorms' | 'layerWindows' | 'turningLayers' | 'windows'>;

/** The fields that Cohere's families have alike, with transformers' defaults. @throws UserError naming the file and the field */
export function cohereFields(source: ConfigSource, modelType: string, rotaryBase: number): Shared {
  const width = positiveInteger(source, 'hidden_size', 8192);
  const heads = positiveInteger(source, 'num_attention_heads', 64);
  const keyValueHeads = positiveInteger(source, 'num_key_value_heads', heads);
  requireMultiple(source, 'hidden_size', width, 'num_attention_heads', heads);
  requireMultiple(source, 'num_attention_heads', heads, 'num_key_value_heads', keyValueHeads);
  const headWidth = width / heads;
  const maxPositions = positiveInteger(source, 'max_position_embeddings', 8192);
  const turned = rotaryFields(source, { headWidth, maxPositions, base: rotaryBase });
  return {
    modelType,
    layers: positiveInteger(source, 'num_hidden_layers', 40),
    width,
    heads,
    keyValueHeads,
    headWidth,
    vocabulary: positiveInteger(source, 'vocab_size', 256000),
    maxPositions: scaledContext(turned, maxPositions),
    tiedHead: flag(source, 'tie_word_embeddings', true),
    innerWidth: positiveInteger(source, 'intermediate_size', 22528),
    activation: activationField(source, 'hidden_act', 'silu'),
    epsilon: positiveNumber(source, 'layer_norm_eps', 1e-5),
    attentionBias: flag(source, 'attention_bias', false),
    rotary: turned,
    logitScale: positiveNumber(source, 'logit_scale', 0.0625),
  };
}

function weightShapes(config: CohereDecoderConfig): Record<string, number[]> {
  const { width, innerWidth, heads, keyValueHeads, headWidth } = config;
  const queryWidth = heads * headWidth;
  const keyWidth = keyValueHeads * headWidth;
  const shapes: Record<string, number[]> = { 'model.embed_tokens.weight': [config.vocabulary, width] };
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `model.layers.${layer}`;
    const project = (name: string, output: number, input: number): void => {
      shapes[`${block}.self_attn.${name}.weight`] = [output, input];
      if (config.attentionBias) shapes[`${block}.self_attn.${name}.bias`] = [output];
    };
    shapes[`${block}.input_layernorm.weight`] = [width];
    project('q_proj', queryWidth, width);
    project('k_proj', keyWidth, width);
    project('v_proj', keyWidth, width);
    project('o_proj', width, queryWidth);
    if (config.headNorms) {
      shapes[`${block}.self_attn.q_norm.weight`] = [heads, headWidth];
      shapes[`${block}.self_attn.k_norm.weight`] = [keyValueHeads, headWidth];
    }
    shapes[`${block}.mlp.gate_proj.weight`] = [innerWidth, width];
    shapes[`${block}.mlp.up_proj.weight`] = [innerWidth, width];
    shapes[`${block}.mlp.down_proj.weight`] = [width, innerWidth];
  }
  shapes['model.norm.weight'] = [width];
  if (!config.tiedHead) shapes['lm_head.weight'] = [config.vocabulary, width];
  return shapes;
}

function block(
  weights: Weights,
  config: CohereDecoderConfig,
  layer: number,
  x: tf.Tensor2D,
  { cos, sin }: Angles,
  { attend, tap }: BlockInput,
): tf.Tensor2D {
  const w = (name: string): tf.Variable => weights[`model.layers.${layer}.${name}`];
  // an absent bias is undefined: none
  const project = (value: tf.Tensor2D, name: string): tf.Tensor2D => linear(value, w(`${name}.weight`), w(`${name}.bias`));
  const rows = x.shape[0];
  const window = config.layerWindows[layer];

  const normed = layerNorm(x, w('input_layernorm.weight'), undefined, config.epsilon) as tf.Tensor2D;
  const split = (name: string, heads: number): tf.Tensor3D =>
    tf.reshape(project(normed, `self_attn.${name}`), [rows, heads, config.headWidth]);
  const turned = (value: tf.Tensor3D, name: string): tf.Tensor3D => {
    const own = config.headNorms
      ? tf.mul<tf.Tensor3D>(layerNorm(value, undefined, undefined, config.epsilon), w(`self_attn.${name}.weight`))
      : value;
    return config.turningLayers[layer] ? rotary(interleaved(own), cos, sin) : own;
  };
  const q = turned(split('q_proj', config.heads), 'q_norm');
  const k = turned(split('k_proj', config.keyValueHeads), 'k_norm');
  const v = split('v_proj', config.keyValueHeads);
  const mixed = attend(layer, q, k, v, { scale: 1 / Math.sqrt(config.headWidth), ...(window > 0 && { window }) });
  let attention = project(tf.reshape(mixed, [rows, config.heads * config.headWidth]), 'self_attn.o_proj');
  if (tap) attention = tap(`blocks.${layer}.attn.out`, attention);

  let inner = gated(project(normed, 'mlp.gate_proj'), project(normed, 'mlp.up_proj'), config.activation) as tf.Tensor2D;
  if (tap) inner = tap(`blocks.${layer}.mlp.act`, inner);
  let mlp = project(inner, 'mlp.down_proj');
  if (tap) mlp = tap(`blocks.${layer}.mlp.out`, mlp);
  return tf.add(tf.add(x, attention), mlp);
}

function forward(weights: Weights, config: CohereDecoderConfig, input: ForwardInput): tf.Tensor2D {
  const { tokens, positions, tap } = input;
  const angles = scaledAngles(config.rotary, positions);
  let x = embedding(tokens, weights['model.embed_tokens.weight']);
  if (tap) x = tap('embed', x);
  for (let layer = 0; layer < config.layers; layer++) {
    x = runBlock(input, x, [angles.cos, angles.sin], (value, [cos, sin], own) => block(weights, config, layer, value, { cos, sin }, own));
    if (tap) x = tap(`blocks.${layer}.out`, x);
  }
  const normed = layerNorm(x, weights['model.norm.weight'], undefined, config.epsilon) as tf.Tensor2D;
  return tap ? tap('norm', normed) : normed;
}

/** A family of this decoder: its name, and how its config is read. */
export function cohereDecoder(
  modelType: string,
  parseConfig: (source: ConfigSource) => Omit<CohereDecoderConfig, 'windows'>,
): Architecture<CohereDecoderConfig> {
  return {
    modelTypes: [modelType],
    parseConfig(json, file) {
      const config = parseConfig({ json, file });
      return { ...config, windows: [...new Set(config.layerWindows)].filter((window) => window > 0) };
    },
    weightShapes,
    canonicalName: llamaWeightName,
    forward,
    head: (weights, config) => ({
      weight: weights[config.tiedHead ? 'model.embed_tokens.weight' : 'lm_head.weight'] as tf.Tensor as tf.Tensor2D,
      options: { scale: config.logitScale },
    }),
  };
}
