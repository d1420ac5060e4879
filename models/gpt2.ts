import * as tf from '@tensorflow/tfjs-core';
import { activation, type ActivationName } from '../engine/ops/activations';
import { conv1d, embedding } from '../engine/ops/linear';
import { layerNorm } from '../engine/ops/norms';
import { activationField, flag, positiveInteger, positiveNumber, refuse, requireMultiple, type ConfigSource } from './configFields';
import { runBlock } from './parts/runBlock';
import type { Architecture, BaseConfig, BlockInput, ForwardInput, Weights } from './types';

/** GPT-2 (Radford et al. 2019), as transformers' `GPT2LMHeadModel`. */
export interface Gpt2Config extends BaseConfig {
  innerWidth: number;
  activation: ActivationName;
  epsilon: number;
  /** Factor on the dot products of each layer. */
  attentionScales: readonly number[];
}

function parseConfig(json: Readonly<Record<string, unknown>>, file: string): Gpt2Config {
  const source: ConfigSource = { json, file };
  refuse(source, ['add_cross_attention']);
  const width = positiveInteger(source, ['n_embd', 'hidden_size'], 768);
  const heads = positiveInteger(source, ['n_head', 'num_attention_heads'], 12);
  const layers = positiveInteger(source, ['n_layer', 'num_hidden_layers'], 12);
  requireMultiple(source, 'n_embd', width, 'n_head', heads);
  const headWidth = width / heads;
  const scale = flag(source, 'scale_attn_weights', true) ? 1 / Math.sqrt(headWidth) : 1;
  const byLayer = flag(source, 'scale_attn_by_inverse_layer_idx', false);
  return {
    modelType: 'gpt2',
    layers,
    width,
    heads,
    keyValueHeads: heads,
    headWidth,
    vocabulary: positiveInteger(source, 'vocab_size', 50257),
    maxPositions: positiveInteger(source, ['n_positions', 'max_position_embeddings'], 1024),
    windows: [],
    tiedHead: flag(source, 'tie_word_embeddings', true),
    innerWidth: positiveInteger(source, 'n_inner', 4 * width),
    activation: activationField(source, 'activation_function', 'gelu_new'),
    epsilon: positiveNumber(source, 'layer_norm_epsilon', 1e-5),
    attentionScales: Array.from({ length: layers }, (_, layer) => (byLayer ? scale / (layer + 1) : scale)),
  };
}

function weightShapes(config: Gpt2Config): Record<string, number[]> {
  const { width, innerWidth } = config;
  const shapes: Record<string, number[]> = {
    'transformer.wte.weight': [config.vocabulary, width],
    'transformer.wpe.weight': [config.maxPositions, width],
  };
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `transformer.h.${layer}`;
    Object.assign(shapes, {
      [`${block}.ln_1.weight`]: [width],
      [`${block}.ln_1.bias`]: [width],
      [`${block}.attn.c_attn.weight`]: [width, 3 * width],
      [`${block}.attn.c_attn.bias`]: [3 * width],
      [`${block}.attn.c_proj.weight`]: [width, width],
      [`${block}.attn.c_proj.bias`]: [width],
      [`${block}.ln_2.weight`]: [width],
      [`${block}.ln_2.bias`]: [width],
      [`${block}.mlp.c_fc.weight`]: [width, innerWidth],
      [`${block}.mlp.c_fc.bias`]: [innerWidth],
      [`${block}.mlp.c_proj.weight`]: [innerWidth, width],
      [`${block}.mlp.c_proj.bias`]: [width],
    });
  }
  shapes['transformer.ln_f.weight'] = [width];
  shapes['transformer.ln_f.bias'] = [width];
  if (!config.tiedHead) shapes['lm_head.weight'] = [config.vocabulary, width];
  return shapes;
}

function canonicalName(name: string, config: Gpt2Config): string | null {
  if (name === 'lm_head.weight') return config.tiedHead ? null : name;
  const inner = name.startsWith('transformer.') ? name.slice('transformer.'.length) : name;
  // the causal mask, stored as a buffer by old releases
  if (/^h\.\d+\.attn\.(bias|masked_bias)$/.test(inner)) return null;
  return /^(wte|wpe|h|ln_f)\./.test(inner) ? `transformer.${inner}` : name;
}

function block(weights: Weights, config: Gpt2Config, layer: number, x: tf.Tensor2D, { attend, tap }: BlockInput): tf.Tensor2D {
  const w = (name: string): tf.Variable => weights[`transformer.h.${layer}.${name}`];
  const rows = x.shape[0];
  const heads: [number, number, number] = [rows, config.heads, config.headWidth];

  const normed = layerNorm(x, w('ln_1.weight'), w('ln_1.bias'), config.epsilon) as tf.Tensor2D;
  const [q, k, v] = tf.split(conv1d(normed, w('attn.c_attn.weight'), w('attn.c_attn.bias')), 3, 1);
  const mixed = attend(layer, tf.reshape(q, heads), tf.reshape(k, heads), tf.reshape(v, heads), { scale: config.attentionScales[layer] });
  let attention = conv1d(tf.reshape(mixed, [rows, config.width]), w('attn.c_proj.weight'), w('attn.c_proj.bias'));
  if (tap) attention = tap(`blocks.${layer}.attn.out`, attention);
  const middle = tf.add<tf.Tensor2D>(x, attention);

  const normedMiddle = layerNorm(middle, w('ln_2.weight'), w('ln_2.bias'), config.epsilon) as tf.Tensor2D;
  let inner = activation(conv1d(normedMiddle, w('mlp.c_fc.weight'), w('mlp.c_fc.bias')), config.activation) as tf.Tensor2D;
  if (tap) inner = tap(`blocks.${layer}.mlp.act`, inner);
  let mlp = conv1d(inner, w('mlp.c_proj.weight'), w('mlp.c_proj.bias'));
  if (tap) mlp = tap(`blocks.${layer}.mlp.out`, mlp);
  return tf.add(middle, mlp);
}

function forward(weights: Weights, config: Gpt2Config, input: ForwardInput): tf.Tensor2D {
  const { tokens, positions, tap } = input;
  let x = tf.add<tf.Tensor2D>(
    embedding(tokens, weights['transformer.wte.weight']),
    embedding(positions, weights['transformer.wpe.weight']),
  );
  if (tap) x = tap('embed', x);
  for (let layer = 0; layer < config.layers; layer++) {
    x = runBlock(input, x, [], (value, _, own) => block(weights, config, layer, value, own));
    if (tap) x = tap(`blocks.${layer}.out`, x);
  }
  const normed = layerNorm(x, weights['transformer.ln_f.weight'], weights['transformer.ln_f.bias'], config.epsilon) as tf.Tensor2D;
  return tap ? tap('norm', normed) : normed;
}

export const gpt2: Architecture<Gpt2Config> = {
  modelTypes: ['gpt2'],
  inputFirst: true,
  parseConfig,
  weightShapes,
  canonicalName,
  forward,
  head: (weights, config) => ({
    weight: weights[config.tiedHead ? 'transformer.wte.weight' : 'lm_head.weight'] as tf.Tensor as tf.Tensor2D,
    options: {},
  }),
};
