import * as tf from '@tensorflow/tfjs-core';
import { gated, type ActivationName } from '../../engine/ops/activations';
import { embedding, linear } from '../../engine/ops/linear';
import { rmsNorm } from '../../engine/ops/norms';
import { rotary } from '../../engine/ops/rotary';
import { activationField, flag, positiveInteger, positiveNumber, requireMultiple, type ConfigSource } from '../configFields';
import type { Architecture, BaseConfig, BlockInput, ForwardInput, Weights } from '../types';
import { llamaWeightName } from './llamaWeightName';
import { rotaryFields, scaledContext } from './rotaryFields';
import { runBlock } from './runBlock';
import { scaledAngles, type Angles, type Rotary } from './rotaryScaling';

/** The decoder of Llama and its kin: RMS norms before attention and a gated MLP, rotary positions, key/value heads shared. */
export interface RmsDecoderConfig extends BaseConfig {
  innerWidth: number;
  activation: ActivationName;
  epsilon: number;
  rotary: Rotary;
  /** Which products add a bias: query, key and value; attention's output; the MLP's three. */
  biases: { queryKeyValue: boolean; output: boolean; mlp: boolean };
  /** Whether each head's query and key are normed before they turn. */
  headNorms: boolean;
  /** The sliding window of each layer; 0: full attention. */
  layerWindows: readonly number[];
}

/** What a family's config means where it says nothing: transformers' defaults. */
export interface RmsDecoderDefaults {
  vocabulary: number;
  innerWidth: number;
  maxPositions: number;
  /** Absent: as many as heads. A null in the config means that everywhere. */
  keyValueHeads?: number;
  /** Absent: the width divided by the heads. */
  headWidth?: number;
}

type Shared = Omit<RmsDecoderConfig, 'biases' | 'headNorms' | 'layerWindows' | 'windows'>;

/** The fields that every family has alike. @throws UserError naming the file and the field */
export function rmsDecoderFields(source: ConfigSource, modelType: string, defaults: RmsDecoderDefaults): Shared {
  const width = positiveInteger(source, 'hidden_size', 4096);
  const heads = positiveInteger(source, 'num_attention_heads', 32);
  const everyHead = source.json.num_key_value_heads === null || defaults.keyValueHeads === undefined;
  const keyValueHeads = positiveInteger(source, 'num_key_value_heads', everyHead ? heads : defaults.keyValueHeads);
  requireMultiple(source, 'num_attention_heads', heads, 'num_key_value_heads', keyValueHeads);
  if (!defaults.headWidth && (source.json.head_dim ?? null) === null)
    requireMultiple(source, 'hidden_size', width, 'num_attention_heads', heads);
  const headWidth = positiveInteger(source, 'head_dim', defaults.headWidth ?? width / heads);
  const maxPositions = positiveInteger(source, 'max_position_embeddings', defaults.maxPositions);
  const turned = rotaryFields(source, { headWidth, maxPositions });
  return {
    modelType,
    layers: positiveInteger(source, 'num_hidden_layers', 32),
    width,
    heads,
    keyValueHeads,
    headWidth,
    vocabulary: positiveInteger(source, 'vocab_size', defaults.vocabulary),
    maxPositions: scaledContext(turned, maxPositions),
    tiedHead: flag(source, 'tie_word_embeddings', false),
    innerWidth: positiveInteger(source, 'intermediate_size', defaults.innerWidth),
    activation: activationField(source, 'hidden_act', 'silu'),
    epsilon: positiveNumber(source, 'rms_norm_eps', 1e-6),
    rotary: turned,
  };
}

function weightShapes(config: RmsDecoderConfig): Record<string, number[]> {
  const { width, innerWidth, headWidth, biases } = config;
  const queryWidth = config.heads * headWidth;
  const keyWidth = config.keyValueHeads * headWidth;
  const shapes: Record<string, number[]> = { 'model.embed_tokens.weight': [config.vocabulary, width] };
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `model.layers.${layer}`;
    const product = (name: string, output: number, input: number, bias: boolean): void => {
      shapes[`${block}.${name}.weight`] = [output, input];
      if (bias) shapes[`${block}.${name}.bias`] = [output];
    };
    shapes[`${block}.input_layernorm.weight`] = [width];
    product('self_attn.q_proj', queryWidth, width, biases.queryKeyValue);
    product('self_attn.k_proj', keyWidth, width, biases.queryKeyValue);
    product('self_attn.v_proj', keyWidth, width, biases.queryKeyValue);
    product('self_attn.o_proj', width, queryWidth, biases.output);
    if (config.headNorms) {
      shapes[`${block}.self_attn.q_norm.weight`] = [headWidth];
      shapes[`${block}.self_attn.k_norm.weight`] = [headWidth];
    }
    shapes[`${block}.post_attention_layernorm.weight`] = [width];
    product('mlp.gate_proj', innerWidth, width, biases.mlp);
    product('mlp.up_proj', innerWidth, width, biases.mlp);
    product('mlp.down_proj', width, innerWidth, biases.mlp);
  }
  shapes['model.norm.weight'] = [width];
  if (!config.tiedHead) shapes['lm_head.weight'] = [config.vocabulary, width];
  return shapes;
}

function block(weights: Weights, config: RmsDecoderConfig, layer: number, x: tf.Tensor2D, angles: Angles, input: BlockInput): tf.Tensor2D {
  const { attend, tap } = input;
  const w = (name: string): tf.Variable => weights[`model.layers.${layer}.${name}`];
  const norm = (value: tf.Tensor, name: string): tf.Tensor => rmsNorm(value, w(`${name}.weight`), config.epsilon, 0);
  // an absent weight is undefined: no bias
  const project = (value: tf.Tensor2D, name: string): tf.Tensor2D => linear(value, w(`${name}.weight`), w(`${name}.bias`));
  const rows = x.shape[0];

  const normed = norm(x, 'input_layernorm') as tf.Tensor2D;
  const split = (name: string, heads: number): tf.Tensor3D =>
    tf.reshape(project(normed, `self_attn.${name}`), [rows, heads, config.headWidth]);
  const turned = (value: tf.Tensor3D, name: string): tf.Tensor3D =>
    rotary(config.headNorms ? (norm(value, `self_attn.${name}`) as tf.Tensor3D) : value, angles.cos, angles.sin);
  const q = turned(split('q_proj', config.heads), 'q_norm');
  const k = turned(split('k_proj', config.keyValueHeads), 'k_norm');
  const v = split('v_proj', config.keyValueHeads);
  const scale = 1 / Math.sqrt(config.headWidth);
  const window = config.layerWindows[layer];
  const mixed = attend(layer, q, k, v, window > 0 ? { scale, window } : { scale });
  let attention = project(tf.reshape(mixed, [rows, config.heads * config.headWidth]), 'self_attn.o_proj');
  if (tap) attention = tap(`blocks.${layer}.attn.out`, attention);
  const middle = tf.add<tf.Tensor2D>(x, attention);

  const normedMiddle = norm(middle, 'post_attention_layernorm') as tf.Tensor2D;
  let inner = gated(project(normedMiddle, 'mlp.gate_proj'), project(normedMiddle, 'mlp.up_proj'), config.activation) as tf.Tensor2D;
  if (tap) inner = tap(`blocks.${layer}.mlp.act`, inner);
  let mlp = project(inner, 'mlp.down_proj');
  if (tap) mlp = tap(`blocks.${layer}.mlp.out`, mlp);
  return tf.add(middle, mlp);
}

function forward(weights: Weights, config: RmsDecoderConfig, input: ForwardInput): tf.Tensor2D {
  const { tokens, positions, tap } = input;
  const angles = scaledAngles(config.rotary, positions);
  let x = embedding(tokens, weights['model.embed_tokens.weight']);
  if (tap) x = tap('embed', x);
  for (let layer = 0; layer < config.layers; layer++) {
    x = runBlock(input, x, [angles.cos, angles.sin], (value, [cos, sin], own) => block(weights, config, layer, value, { cos, sin }, own));
    if (tap) x = tap(`blocks.${layer}.out`, x);
  }
  const normed = rmsNorm(x, weights['model.norm.weight'], config.epsilon, 0) as tf.Tensor2D;
  return tap ? tap('norm', normed) : normed;
}

/** A family of this decoder: its names, and how its config is read. */
export function rmsDecoder(
  modelTypes: readonly string[],
  parseConfig: (source: ConfigSource) => Omit<RmsDecoderConfig, 'windows'>,
): Architecture<RmsDecoderConfig> {
  return {
    modelTypes,
    parseConfig(json, file) {
      const config = parseConfig({ json, file });
      return { ...config, windows: [...new Set(config.layerWindows)].filter((window) => window > 0) };
    },
    weightShapes,
    canonicalName: llamaWeightName,
    forward,
    head: (weights, config) => ({
      weight: weights[config.tiedHead ? 'model.embed_tokens.weight' : 'lm_head.weight'] as tf.Tensor as tf.Tensor2D,
      options: {},
    }),
  };
}
