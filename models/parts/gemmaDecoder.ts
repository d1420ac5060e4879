import * as tf from '@tensorflow/tfjs-core';
import { gated, type ActivationName } from '../../engine/ops/activations';
import { embedding, linear } from '../../engine/ops/linear';
import { rmsNorm } from '../../engine/ops/norms';
import { rotary } from '../../engine/ops/rotary';
import type { Architecture, BaseConfig, BlockInput, ForwardInput, Weights } from '../types';
import { runBlock } from './runBlock';
import { scaledAngles, type Angles, type Rotary } from './rotaryScaling';

/** The decoder of Gemma 2 and 3: norms before and after attention and a gated MLP, sliding and full layers, soft caps. */
export interface GemmaDecoderConfig extends BaseConfig {
  innerWidth: number;
  activation: ActivationName;
  epsilon: number;
  attentionScale: number;
  attentionBias: boolean;
  /** Whether each head's query and key are normed before they turn. */
  headNorms: boolean;
  /** The sliding window of each layer; 0: full attention. */
  layerWindows: readonly number[];
  slidingRotary: Rotary;
  fullRotary: Rotary;
  /** Soft cap on the logits. */
  finalSoftcap?: number;
}

function weightShapes(config: GemmaDecoderConfig): Record<string, number[]> {
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
      ...(config.headNorms && {
        [`${block}.self_attn.q_norm.weight`]: [headWidth],
        [`${block}.self_attn.k_norm.weight`]: [headWidth],
      }),
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

function block(
  weights: Weights,
  config: GemmaDecoderConfig,
  layer: number,
  x: tf.Tensor2D,
  { cos, sin }: Angles,
  input: BlockInput,
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
  const turned = (value: tf.Tensor3D, name: string): tf.Tensor3D =>
    rotary(config.headNorms ? (norm(value, `self_attn.${name}`) as tf.Tensor3D) : value, cos, sin);
  const q = turned(split('q_proj', config.heads), 'q_norm');
  const k = turned(split('k_proj', config.keyValueHeads), 'k_norm');
  const v = split('v_proj', config.keyValueHeads);
  const mixed = attend(layer, q, k, v, {
    scale: config.attentionScale,
    ...(window > 0 && { window }),
    ...(config.attentionSoftcap && { softcap: config.attentionSoftcap }),
  });
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

function forward(weights: Weights, config: GemmaDecoderConfig, input: ForwardInput): tf.Tensor2D {
  const { tokens, positions, tap } = input;
  const full = scaledAngles(config.fullRotary, positions);
  const sliding = config.slidingRotary === config.fullRotary ? full : scaledAngles(config.slidingRotary, positions);
  let x = tf.mul<tf.Tensor2D>(embedding(tokens, weights['model.embed_tokens.weight']), Math.sqrt(config.width));
  if (tap) x = tap('embed', x);
  for (let layer = 0; layer < config.layers; layer++) {
    const angles = config.layerWindows[layer] > 0 ? sliding : full;
    x = runBlock(input, x, [angles.cos, angles.sin], (value, [cos, sin], own) => block(weights, config, layer, value, { cos, sin }, own));
    if (tap) x = tap(`blocks.${layer}.out`, x);
  }
  const normed = rmsNorm(x, weights['model.norm.weight'], config.epsilon, 1) as tf.Tensor2D;
  return tap ? tap('norm', normed) : normed;
}

/** What Gemma 2 and 3 have alike. */
export const gemmaDecoder: Pick<Architecture<GemmaDecoderConfig>, 'weightShapes' | 'forward' | 'head'> = {
  weightShapes,
  forward,
  head: (weights, config) => ({
    weight: weights[config.tiedHead ? 'model.embed_tokens.weight' : 'lm_head.weight'] as tf.Tensor as tf.Tensor2D,
    options: config.finalSoftcap ? { softcap: config.finalSoftcap } : {},
  }),
};
