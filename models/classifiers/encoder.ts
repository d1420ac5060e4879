import * as tf from '@tensorflow/tfjs-core';
import { activation, type ActivationName } from '../../engine/ops/activations';
import { embedding, linear } from '../../engine/ops/linear';
import { layerNorm } from '../../engine/ops/norms';
import { fieldError, refuse, text, type ConfigSource } from '../configFields';
import type { ForwardInput, Weights } from '../types';
import type { ClassifierConfig } from './types';

/** An encoder whose norms stand behind its residual sums, as in BERT (arXiv 1810.04805). */
export interface EncoderConfig extends ClassifierConfig {
  innerWidth: number;
  activation: ActivationName;
  epsilon: number;
  /** Rows of the position table. */
  positionRows: number;
  /** Kinds of token (first and second text) with an embedding each; 0: none. A text on its own is of kind 0. */
  tokenTypes: number;
}

/** What a family calls the modules of its encoder, `weight` and `bias` left out. */
export interface EncoderNames {
  embeddings: string;
  block: (
    layer: number,
  ) => Readonly<Record<'query' | 'key' | 'value' | 'attentionOut' | 'attentionNorm' | 'inner' | 'outer' | 'outerNorm', string>>;
}

/** Shapes of a linear module's weight and bias. */
export function linearShapes(name: string, outputs: number, inputs: number): Record<string, number[]> {
  return { [`${name}.weight`]: [outputs, inputs], [`${name}.bias`]: [outputs] };
}

/** Every weight of the encoder, and its shape. */
export function encoderShapes(config: EncoderConfig, names: EncoderNames): Record<string, number[]> {
  const { width, innerWidth, tokenTypes } = config;
  const normShapes = (name: string): Record<string, number[]> => ({ [`${name}.weight`]: [width], [`${name}.bias`]: [width] });
  const shapes: Record<string, number[]> = {
    [`${names.embeddings}.word_embeddings.weight`]: [config.vocabulary, width],
    [`${names.embeddings}.position_embeddings.weight`]: [config.positionRows, width],
    ...(tokenTypes > 0 && { [`${names.embeddings}.token_type_embeddings.weight`]: [tokenTypes, width] }),
    ...normShapes(`${names.embeddings}.LayerNorm`),
  };
  for (let layer = 0; layer < config.layers; layer++) {
    const block = names.block(layer);
    for (const name of [block.query, block.key, block.value, block.attentionOut]) Object.assign(shapes, linearShapes(name, width, width));
    Object.assign(shapes, normShapes(block.attentionNorm), linearShapes(block.inner, innerWidth, width));
    Object.assign(shapes, linearShapes(block.outer, width, innerWidth), normShapes(block.outerNorm));
  }
  return shapes;
}

/** A linear module by its name. @param x [T, I] @returns [T, O] */
export function project(weights: Weights, name: string, x: tf.Tensor2D): tf.Tensor2D {
  return linear(x, weights[`${name}.weight`], weights[`${name}.bias`]);
}

function block(
  weights: Weights,
  config: EncoderConfig,
  names: EncoderNames,
  layer: number,
  x: tf.Tensor2D,
  input: ForwardInput,
): tf.Tensor2D {
  const { attend, tap } = input;
  const block = names.block(layer);
  const heads: [number, number, number] = [x.shape[0], config.heads, config.headWidth];
  const norm = (value: tf.Tensor2D, name: string): tf.Tensor2D =>
    layerNorm(value, weights[`${name}.weight`], weights[`${name}.bias`], config.epsilon) as tf.Tensor2D;
  const [q, k, v] = [block.query, block.key, block.value].map((name) => tf.reshape<tf.Rank.R3>(project(weights, name, x), heads));

  const mixed = attend(layer, q, k, v, { scale: 1 / Math.sqrt(config.headWidth) });
  let attention = project(weights, block.attentionOut, tf.reshape(mixed, [x.shape[0], config.width]));
  if (tap) attention = tap(`blocks.${layer}.attn.out`, attention);
  const middle = norm(tf.add(x, attention), block.attentionNorm);

  let inner = activation(project(weights, block.inner, middle), config.activation) as tf.Tensor2D;
  if (tap) inner = tap(`blocks.${layer}.mlp.act`, inner);
  let outer = project(weights, block.outer, inner);
  if (tap) outer = tap(`blocks.${layer}.mlp.out`, outer);
  return norm(tf.add(middle, outer), block.outerNorm);
}

/**
 * Last hidden states, [T, D]. Taps: `embed` (after the embeddings' norm), `blocks.N.out`, and within a block what is added to it.
 * @param input its positions are rows of the position table
 */
export function encode(weights: Weights, config: EncoderConfig, names: EncoderNames, input: ForwardInput): tf.Tensor2D {
  const { tokens, positions, tap } = input;
  const table = (name: string): tf.Variable => weights[`${names.embeddings}.${name}`];
  let sum = tf.add<tf.Tensor2D>(
    embedding(tokens, table('word_embeddings.weight')),
    embedding(positions, table('position_embeddings.weight')),
  );
  if (config.tokenTypes > 0) sum = tf.add(sum, tf.slice(table('token_type_embeddings.weight') as tf.Tensor, [0, 0], [1, config.width]));
  let x = layerNorm(sum, table('LayerNorm.weight'), table('LayerNorm.bias'), config.epsilon) as tf.Tensor2D;
  if (tap) x = tap('embed', x);
  for (let layer = 0; layer < config.layers; layer++) {
    x = tf.tidy(() => block(weights, config, names, layer, x, input));
    if (tap) x = tap(`blocks.${layer}.out`, x);
  }
  return x;
}

/**
 * Refuses configs of other models of the family: without this head, with other positions, as a decoder, with heads taken out.
 * @param family as `architectures` spells it, e.g. `Bert`
 * @throws UserError naming the field
 */
export function requireClassifier(source: ConfigSource, family: string): void {
  refuse(source, ['is_decoder', 'add_cross_attention', 'pruned_heads']);
  const kind = text(source, 'position_embedding_type', 'absolute');
  if (kind !== 'absolute') throw fieldError(source, 'position_embedding_type', kind, 'absolute');
  const { architectures } = source.json;
  const wanted = `${family}ForSequenceClassification`;
  if (Array.isArray(architectures) && architectures.length > 0 && !architectures.includes(wanted))
    throw fieldError(source, 'architectures', architectures, `["${wanted}"]: a model with a head that labels texts`);
}
