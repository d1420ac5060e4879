import * as tf from '@tensorflow/tfjs-core';
import { activation } from '../engine/ops/activations';
import { alibiSlopes } from '../engine/ops/alibi';
import { embedding, linear } from '../engine/ops/linear';
import { layerNorm } from '../engine/ops/norms';
import { flag, positiveInteger, positiveNumber, requireMultiple, type ConfigSource } from './configFields';
import { runBlock } from './parts/runBlock';
import type { Architecture, BaseConfig, BlockInput, ForwardInput, Weights } from './types';

/** BLOOM (arXiv 2211.05100), as transformers' `BloomForCausalLM`. */
export interface BloomConfig extends BaseConfig {
  epsilon: number;
  alibiSlopes: readonly number[];
  /** Whether a block adds to its norms' results, instead of to what it normed. */
  residualAfterNorm: boolean;
}

function parseConfig(json: Readonly<Record<string, unknown>>, file: string): BloomConfig {
  const source: ConfigSource = { json, file };
  // transformers prefers the old spelling
  const width = positiveInteger(source, ['n_embed', 'hidden_size'], 64);
  const heads = positiveInteger(source, ['n_head', 'num_attention_heads'], 8);
  requireMultiple(source, 'hidden_size', width, 'n_head', heads);
  return {
    modelType: 'bloom',
    layers: positiveInteger(source, ['n_layer', 'num_hidden_layers'], 2),
    width,
    heads,
    keyValueHeads: heads,
    headWidth: width / heads,
    vocabulary: positiveInteger(source, 'vocab_size', 250880),
    // seq_length is what it was trained on; distances go on beyond it
    maxPositions: Infinity,
    windows: [],
    alibiSlopes: alibiSlopes(heads),
    tiedHead: flag(source, 'tie_word_embeddings', true),
    epsilon: positiveNumber(source, 'layer_norm_epsilon', 1e-5),
    residualAfterNorm: flag(source, 'apply_residual_connection_post_layernorm', false),
    // pretraining_tp and slow_but_exact cut products into sums of parts: the same result
  };
}

function weightShapes(config: BloomConfig): Record<string, number[]> {
  const { width } = config;
  const shapes: Record<string, number[]> = {
    'transformer.word_embeddings.weight': [config.vocabulary, width],
    'transformer.word_embeddings_layernorm.weight': [width],
    'transformer.word_embeddings_layernorm.bias': [width],
  };
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `transformer.h.${layer}`;
    Object.assign(shapes, {
      [`${block}.input_layernorm.weight`]: [width],
      [`${block}.input_layernorm.bias`]: [width],
      [`${block}.self_attention.query_key_value.weight`]: [3 * width, width],
      [`${block}.self_attention.query_key_value.bias`]: [3 * width],
      [`${block}.self_attention.dense.weight`]: [width, width],
      [`${block}.self_attention.dense.bias`]: [width],
      [`${block}.post_attention_layernorm.weight`]: [width],
      [`${block}.post_attention_layernorm.bias`]: [width],
      [`${block}.mlp.dense_h_to_4h.weight`]: [4 * width, width],
      [`${block}.mlp.dense_h_to_4h.bias`]: [4 * width],
      [`${block}.mlp.dense_4h_to_h.weight`]: [width, 4 * width],
      [`${block}.mlp.dense_4h_to_h.bias`]: [width],
    });
  }
  shapes['transformer.ln_f.weight'] = [width];
  shapes['transformer.ln_f.bias'] = [width];
  if (!config.tiedHead) shapes['lm_head.weight'] = [config.vocabulary, width];
  return shapes;
}

function canonicalName(name: string, config: BloomConfig): string | null {
  if (name === 'lm_head.weight') return config.tiedHead ? null : name;
  const inner = name.startsWith('transformer.') ? name.slice('transformer.'.length) : name;
  // the causal mask, a buffer in the first releases
  if (/^h\.\d+\.self_attention\.scale_mask_softmax\.causal_mask$/.test(inner)) return null;
  return /^(word_embeddings|word_embeddings_layernorm|h|ln_f)\./.test(inner) ? `transformer.${inner}` : name;
}

function block(weights: Weights, config: BloomConfig, layer: number, x: tf.Tensor2D, { attend, tap }: BlockInput): tf.Tensor2D {
  const w = (name: string): tf.Variable => weights[`transformer.h.${layer}.${name}`];
  const project = (value: tf.Tensor2D, name: string): tf.Tensor2D => linear(value, w(`${name}.weight`), w(`${name}.bias`));
  const norm = (value: tf.Tensor2D, name: string): tf.Tensor2D =>
    layerNorm(value, w(`${name}.weight`), w(`${name}.bias`), config.epsilon) as tf.Tensor2D;
  const { heads, headWidth } = config;
  const rows = x.shape[0];

  const normed = norm(x, 'input_layernorm');
  // a head's query, key and value stand together
  const fused = tf.reshape<tf.Rank.R3>(project(normed, 'self_attention.query_key_value'), [rows, heads, 3 * headWidth]);
  const [q, k, v] = tf.split<tf.Tensor3D>(fused, 3, 2);
  const mixed = attend(layer, q, k, v, { scale: 1 / Math.sqrt(headWidth), alibiSlopes: config.alibiSlopes });
  let attention = project(tf.reshape(mixed, [rows, config.width]), 'self_attention.dense');
  if (tap) attention = tap(`blocks.${layer}.attn.out`, attention);
  const middle = tf.add<tf.Tensor2D>(config.residualAfterNorm ? normed : x, attention);

  const normedMiddle = norm(middle, 'post_attention_layernorm');
  let inner = activation(project(normedMiddle, 'mlp.dense_h_to_4h'), 'gelu_tanh') as tf.Tensor2D;
  if (tap) inner = tap(`blocks.${layer}.mlp.act`, inner);
  let mlp = project(inner, 'mlp.dense_4h_to_h');
  if (tap) mlp = tap(`blocks.${layer}.mlp.out`, mlp);
  return tf.add(config.residualAfterNorm ? normedMiddle : middle, mlp);
}

function forward(weights: Weights, config: BloomConfig, input: ForwardInput): tf.Tensor2D {
  const { tokens, tap } = input;
  const norm = (value: tf.Tensor2D, name: string): tf.Tensor2D =>
    layerNorm(value, weights[`transformer.${name}.weight`], weights[`transformer.${name}.bias`], config.epsilon) as tf.Tensor2D;
  let x = norm(embedding(tokens, weights['transformer.word_embeddings.weight']), 'word_embeddings_layernorm');
  if (tap) x = tap('embed', x);
  for (let layer = 0; layer < config.layers; layer++) {
    x = runBlock(input, x, [], (value, _, own) => block(weights, config, layer, value, own));
    if (tap) x = tap(`blocks.${layer}.out`, x);
  }
  const normed = norm(x, 'ln_f');
  return tap ? tap('norm', normed) : normed;
}

export const bloom: Architecture<BloomConfig> = {
  modelTypes: ['bloom'],
  parseConfig,
  weightShapes,
  canonicalName,
  forward,
  head: (weights, config) => ({
    weight: weights[config.tiedHead ? 'transformer.word_embeddings.weight' : 'lm_head.weight'] as tf.Tensor as tf.Tensor2D,
    options: {},
  }),
};
