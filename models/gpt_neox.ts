import * as tf from '@tensorflow/tfjs-core';
import { activation, type ActivationName } from '../engine/ops/activations';
import { embedding, linear } from '../engine/ops/linear';
import { layerNorm } from '../engine/ops/norms';
import { rotary } from '../engine/ops/rotary';
import { activationField, flag, positiveInteger, positiveNumber, requireMultiple, type ConfigSource } from './configFields';
import { rotaryFields, scaledContext } from './parts/rotaryFields';
import { scaledAngles, type Angles, type Rotary } from './parts/rotaryScaling';
import { runBlock } from './parts/runBlock';
import type { Architecture, BaseConfig, BlockInput, ForwardInput, Weights } from './types';

/** GPT-NeoX (arXiv 2204.06745) and Pythia (arXiv 2304.01373), as transformers' `GPTNeoXForCausalLM`. */
export interface GptNeoxConfig extends BaseConfig {
  innerWidth: number;
  activation: ActivationName;
  epsilon: number;
  rotary: Rotary;
  attentionBias: boolean;
  /** Whether the MLP reads what attention reads, instead of what attention made of it. */
  parallelResidual: boolean;
}

function parseConfig(json: Readonly<Record<string, unknown>>, file: string): GptNeoxConfig {
  const source: ConfigSource = { json, file };
  const width = positiveInteger(source, 'hidden_size', 6144);
  const heads = positiveInteger(source, 'num_attention_heads', 64);
  requireMultiple(source, 'hidden_size', width, 'num_attention_heads', heads);
  const headWidth = width / heads;
  const maxPositions = positiveInteger(source, 'max_position_embeddings', 2048);
  const names = { base: 'rotary_emb_base', part: 'rotary_pct' };
  const turned = rotaryFields(source, { headWidth, maxPositions, part: 0.25, partial: true, names });
  return {
    modelType: 'gpt_neox',
    layers: positiveInteger(source, 'num_hidden_layers', 44),
    width,
    heads,
    keyValueHeads: heads,
    headWidth,
    vocabulary: positiveInteger(source, 'vocab_size', 50432),
    maxPositions: scaledContext(turned, maxPositions),
    windows: [],
    tiedHead: flag(source, 'tie_word_embeddings', false),
    innerWidth: positiveInteger(source, 'intermediate_size', 24576),
    activation: activationField(source, 'hidden_act', 'gelu'),
    epsilon: positiveNumber(source, 'layer_norm_eps', 1e-5),
    rotary: turned,
    attentionBias: flag(source, 'attention_bias', true),
    parallelResidual: flag(source, 'use_parallel_residual', true),
  };
}

/** The head under the name that checkpoints give it; transformers 5 calls it lm_head in memory alone. */
const HEAD = 'embed_out.weight';

function weightShapes(config: GptNeoxConfig): Record<string, number[]> {
  const { width, innerWidth } = config;
  const shapes: Record<string, number[]> = { 'gpt_neox.embed_in.weight': [config.vocabulary, width] };
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `gpt_neox.layers.${layer}`;
    Object.assign(shapes, {
      [`${block}.input_layernorm.weight`]: [width],
      [`${block}.input_layernorm.bias`]: [width],
      [`${block}.post_attention_layernorm.weight`]: [width],
      [`${block}.post_attention_layernorm.bias`]: [width],
      [`${block}.attention.query_key_value.weight`]: [3 * width, width],
      ...(config.attentionBias && { [`${block}.attention.query_key_value.bias`]: [3 * width] }),
      [`${block}.attention.dense.weight`]: [width, width],
      ...(config.attentionBias && { [`${block}.attention.dense.bias`]: [width] }),
      [`${block}.mlp.dense_h_to_4h.weight`]: [innerWidth, width],
      [`${block}.mlp.dense_h_to_4h.bias`]: [innerWidth],
      [`${block}.mlp.dense_4h_to_h.weight`]: [width, innerWidth],
      [`${block}.mlp.dense_4h_to_h.bias`]: [width],
    });
  }
  shapes['gpt_neox.final_layer_norm.weight'] = [width];
  shapes['gpt_neox.final_layer_norm.bias'] = [width];
  if (!config.tiedHead) shapes[HEAD] = [config.vocabulary, width];
  return shapes;
}

function canonicalName(name: string, config: GptNeoxConfig): string | null {
  if (name === HEAD || name === 'lm_head.weight') return config.tiedHead ? null : HEAD;
  const inner = name.replace(/^gpt_neox\./, '');
  // the causal mask and the frequencies, stored as buffers by old releases
  if (/^layers\.\d+\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/.test(inner)) return null;
  return /^(embed_in|layers|final_layer_norm)\./.test(inner) ? `gpt_neox.${inner}` : name;
}

/** Turns the first part of each head. */
function partialRotary(x: tf.Tensor3D, { cos, sin }: Angles): tf.Tensor3D {
  const [turned, width] = [2 * cos.shape[1], x.shape[2]];
  if (turned === width) return rotary(x, cos, sin);
  const [first, rest] = tf.split<tf.Tensor3D>(x, [turned, width - turned], 2);
  return tf.concat([rotary(first, cos, sin), rest], 2);
}

function block(weights: Weights, config: GptNeoxConfig, layer: number, x: tf.Tensor2D, angles: Angles, input: BlockInput): tf.Tensor2D {
  const { attend, tap } = input;
  const w = (name: string): tf.Variable => weights[`gpt_neox.layers.${layer}.${name}`];
  // an absent weight is undefined: no bias
  const project = (value: tf.Tensor2D, name: string): tf.Tensor2D => linear(value, w(`${name}.weight`), w(`${name}.bias`));
  const norm = (value: tf.Tensor2D, name: string): tf.Tensor2D =>
    layerNorm(value, w(`${name}.weight`), w(`${name}.bias`), config.epsilon) as tf.Tensor2D;
  const { heads, headWidth } = config;
  const rows = x.shape[0];

  // a head's query, key and value stand together
  const fused = tf.reshape<tf.Rank.R3>(project(norm(x, 'input_layernorm'), 'attention.query_key_value'), [rows, heads, 3 * headWidth]);
  const [q, k, v] = tf.split<tf.Tensor3D>(fused, 3, 2);
  const mixed = attend(layer, partialRotary(q, angles), partialRotary(k, angles), v, { scale: 1 / Math.sqrt(headWidth) });
  let attention = project(tf.reshape(mixed, [rows, config.width]), 'attention.dense');
  if (tap) attention = tap(`blocks.${layer}.attn.out`, attention);
  const middle = tf.add<tf.Tensor2D>(x, attention);

  const normed = norm(config.parallelResidual ? x : middle, 'post_attention_layernorm');
  let inner = activation(project(normed, 'mlp.dense_h_to_4h'), config.activation) as tf.Tensor2D;
  if (tap) inner = tap(`blocks.${layer}.mlp.act`, inner);
  let mlp = project(inner, 'mlp.dense_4h_to_h');
  if (tap) mlp = tap(`blocks.${layer}.mlp.out`, mlp);
  return tf.add(middle, mlp);
}

function forward(weights: Weights, config: GptNeoxConfig, input: ForwardInput): tf.Tensor2D {
  const { tokens, positions, tap } = input;
  const angles = scaledAngles(config.rotary, positions);
  let x = embedding(tokens, weights['gpt_neox.embed_in.weight']);
  if (tap) x = tap('embed', x);
  for (let layer = 0; layer < config.layers; layer++) {
    x = runBlock(input, x, [angles.cos, angles.sin], (value, [cos, sin], own) => block(weights, config, layer, value, { cos, sin }, own));
    if (tap) x = tap(`blocks.${layer}.out`, x);
  }
  const [weight, bias] = [weights['gpt_neox.final_layer_norm.weight'], weights['gpt_neox.final_layer_norm.bias']];
  const normed = layerNorm(x, weight, bias, config.epsilon) as tf.Tensor2D;
  return tap ? tap('norm', normed) : normed;
}

export const gptNeox: Architecture<GptNeoxConfig> = {
  modelTypes: ['gpt_neox'],
  parseConfig,
  weightShapes,
  canonicalName,
  forward,
  head: (weights, config) => ({
    weight: weights[config.tiedHead ? 'gpt_neox.embed_in.weight' : HEAD] as tf.Tensor as tf.Tensor2D,
    options: {},
  }),
};
