import * as tf from '@tensorflow/tfjs-core';
import { activation, gated, type ActivationName } from '../../engine/ops/activations';
import { packedAttention } from '../../engine/ops/attention';
import { attentionIndex, type AttentionIndex } from '../../engine/ops/attentionIndex';
import { embedding, linear } from '../../engine/ops/linear';
import { rmsNorm } from '../../engine/ops/norms';
import { activationField, fieldError, flag, positiveInteger, positiveNumber, refuse, text, type ConfigSource } from '../configFields';
import type { Weights } from '../types';
import { positionBias } from './positionBuckets';
import type { EncoderDecoderArchitecture, EncoderDecoderConfig, Tap } from './types';

/** T5 (arXiv 1910.10683), its version 1.1 and mT5 (arXiv 2010.11934), as transformers' `T5ForConditionalGeneration` and `MT5…`. */
export interface T5Config extends EncoderDecoderConfig {
  innerWidth: number;
  activation: ActivationName;
  isGated: boolean;
  epsilon: number;
  buckets: number;
  longestDistance: number;
  /** Factor on the logits. */
  outputScale: number;
}

const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  t5: ['T5ForConditionalGeneration', 'T5WithLMHeadModel'],
  mt5: ['MT5ForConditionalGeneration'],
};

/**
 * Without effect: dropout, `initializer_factor`, `use_cache`, `n_positions`, `task_specific_params`, `classifier_dropout`, `output_past`,
 * `tokenizer_class`, and `dense_act_fn` with `is_gated_act`, which repeat `feed_forward_proj`.
 */
function parseConfig(json: Readonly<Record<string, unknown>>, file: string): T5Config {
  const source: ConfigSource = { json, file };
  refuse(source, ['is_decoder', 'pruned_heads', 'tie_encoder_decoder']);
  const modelType = json.model_type === 'mt5' ? 'mt5' : 't5';
  const { architectures } = json;
  const known = ARCHITECTURES[modelType];
  if (Array.isArray(architectures) && architectures.length > 0 && !architectures.some((name) => known.includes(name as string)))
    throw fieldError(source, 'architectures', architectures, `["${known[0]}"]: a model with a head that writes text`);
  if (!flag(source, 'is_encoder_decoder', true)) throw fieldError(source, 'is_encoder_decoder', false, 'true');
  const large = modelType === 'mt5';
  const layers = positiveInteger(source, ['num_layers', 'num_hidden_layers'], large ? 8 : 6);
  const heads = positiveInteger(source, ['num_heads', 'num_attention_heads'], large ? 6 : 8);
  const width = positiveInteger(source, ['d_model', 'hidden_size'], 512);
  const vocabulary = positiveInteger(source, 'vocab_size', large ? 250112 : 32128);
  const buckets = positiveInteger(source, 'relative_attention_num_buckets', 32);
  if (buckets % 4 !== 0) throw fieldError(source, 'relative_attention_num_buckets', buckets, 'a multiple of 4');
  const longestDistance = positiveInteger(source, 'relative_attention_max_distance', 128);
  if (longestDistance <= buckets / 2)
    throw fieldError(source, 'relative_attention_max_distance', longestDistance, `more than half of the buckets (${buckets / 2})`);
  // only T5 itself scales, unless it says that its head is no embedding; transformers 5 writes down which
  const isTied = flag(source, 'tie_word_embeddings', true);
  const scales = !large && flag(source, 'scale_decoder_outputs', isTied);
  const startToken = json.decoder_start_token_id ?? json.pad_token_id ?? 0;
  if (!Number.isInteger(startToken) || (startToken as number) < 0 || (startToken as number) >= vocabulary)
    throw fieldError(source, 'decoder_start_token_id', startToken, `a token id below ${vocabulary}`);
  return {
    ...feedForward(source, large),
    modelType,
    layers,
    decoderLayers: positiveInteger(source, 'num_decoder_layers', layers),
    width,
    heads,
    keyValueHeads: heads,
    headWidth: positiveInteger(source, ['d_kv', 'head_dim'], 64),
    innerWidth: positiveInteger(source, 'd_ff', large ? 1024 : 2048),
    vocabulary,
    // distances go on beyond the last bucket
    maxPositions: Infinity,
    windows: [],
    tiedHead: isTied,
    epsilon: positiveNumber(source, 'layer_norm_epsilon', 1e-6),
    buckets,
    longestDistance,
    outputScale: scales ? width ** -0.5 : 1,
    startToken: startToken as number,
  };
}

/** `relu`, or `gated-` and an activation; `gated-gelu` means the tanh approximation, which `gelu` alone does not. */
function feedForward(source: ConfigSource, large: boolean): Pick<T5Config, 'activation' | 'isGated'> {
  const name = text(source, 'feed_forward_proj', large ? 'gated-gelu' : 'relu');
  const [, gate, inner] = /^(gated-)?([a-z_]+)$/.exec(name) ?? [];
  if (inner === undefined) throw fieldError(source, 'feed_forward_proj', name, 'an activation, or gated- and an activation');
  const json = { feed_forward_proj: name === 'gated-gelu' ? 'gelu_new' : inner };
  return { isGated: gate !== undefined, activation: activationField({ json, file: source.file }, 'feed_forward_proj', 'relu') };
}

type Half = 'encoder' | 'decoder';

const layersOf = (config: T5Config, half: Half): number => (half === 'encoder' ? config.layers : config.decoderLayers);

function weightShapes(config: T5Config): Record<string, number[]> {
  const { width, innerWidth } = config;
  const inner = config.heads * config.headWidth;
  const shapes: Record<string, number[]> = { 'shared.weight': [config.vocabulary, width] };
  for (const half of ['encoder', 'decoder'] as const) {
    for (let layer = 0; layer < layersOf(config, half); layer++) {
      const parts = half === 'encoder' ? ['SelfAttention'] : ['SelfAttention', 'EncDecAttention'];
      parts.forEach((part, place) => {
        const name = `${half}.block.${layer}.layer.${place}`;
        for (const matrix of ['q', 'k', 'v']) shapes[`${name}.${part}.${matrix}.weight`] = [inner, width];
        shapes[`${name}.${part}.o.weight`] = [width, inner];
        if (layer === 0 && place === 0) shapes[`${name}.${part}.relative_attention_bias.weight`] = [config.buckets, config.heads];
        shapes[`${name}.layer_norm.weight`] = [width];
      });
      const name = `${half}.block.${layer}.layer.${parts.length}`;
      for (const matrix of config.isGated ? ['wi_0', 'wi_1'] : ['wi'])
        shapes[`${name}.DenseReluDense.${matrix}.weight`] = [innerWidth, width];
      shapes[`${name}.DenseReluDense.wo.weight`] = [width, innerWidth];
      shapes[`${name}.layer_norm.weight`] = [width];
    }
    shapes[`${half}.final_layer_norm.weight`] = [width];
  }
  if (!config.tiedHead) shapes['lm_head.weight'] = [config.vocabulary, width];
  return shapes;
}

function canonicalName(name: string, config: T5Config): string | null {
  if (name === 'lm_head.weight' && config.tiedHead) return null;
  // copies of the shared embedding, and a bias that old releases stored and never used
  return /^(encoder|decoder)\.embed_tokens\.weight$|EncDecAttention\.relative_attention_bias\.weight$/.test(name) ? null : name;
}

/** One half's stack. @param cross what the decoder attends to beside itself */
function stack(
  half: Half,
  weights: Weights,
  config: T5Config,
  tokens: tf.Tensor1D,
  index: AttentionIndex,
  cross?: { index: AttentionIndex; encoded: tf.Tensor2D },
  tap?: Tap,
): tf.Tensor2D {
  const norm = (x: tf.Tensor2D, name: string): tf.Tensor2D => rmsNorm(x, weights[`${name}.weight`], config.epsilon, 0) as tf.Tensor2D;
  const attend = (name: string, x: tf.Tensor2D, source: tf.Tensor2D, where: AttentionIndex): tf.Tensor2D => {
    const heads = (rows: tf.Tensor2D, matrix: string): tf.Tensor3D =>
      tf.reshape(linear(rows, weights[`${name}.${matrix}.weight`]), [rows.shape[0], config.heads, config.headWidth]);
    // no scale: it is in the weights
    const mixed = packedAttention(heads(x, 'q'), heads(source, 'k'), heads(source, 'v'), where, { scale: 1 });
    return linear(tf.reshape(mixed, [x.shape[0], config.heads * config.headWidth]), weights[`${name}.o.weight`]);
  };
  const feed = (name: string, x: tf.Tensor2D): tf.Tensor2D => {
    const project = (matrix: string, rows: tf.Tensor2D): tf.Tensor2D => linear(rows, weights[`${name}.${matrix}.weight`]);
    const inner = config.isGated
      ? gated(project('wi_0', x), project('wi_1', x), config.activation)
      : activation(project('wi', x), config.activation);
    return project('wo', inner as tf.Tensor2D);
  };
  let x = embedding(tokens, weights['shared.weight']);
  tap?.(`${half}.embed`, x);
  for (let layer = 0; layer < layersOf(config, half); layer++) {
    x = tf.tidy(() => {
      const place = (number: number): string => `${half}.block.${layer}.layer.${number}`;
      const normed = norm(x, `${place(0)}.layer_norm`);
      let sum = tf.add<tf.Tensor2D>(x, attend(`${place(0)}.SelfAttention`, normed, normed, index));
      if (cross) sum = tf.add(sum, attend(`${place(1)}.EncDecAttention`, norm(sum, `${place(1)}.layer_norm`), cross.encoded, cross.index));
      const last = place(cross ? 2 : 1);
      return tf.add<tf.Tensor2D>(sum, feed(`${last}.DenseReluDense`, norm(sum, `${last}.layer_norm`)));
    });
    tap?.(`${half}.blocks.${layer}.out`, x);
  }
  const result = norm(x, `${half}.final_layer_norm`);
  tap?.(`${half}.norm`, result);
  return result;
}

/** The biases of a half, which its first layer holds for all. */
const biasOf =
  (half: Half, weights: Weights, { buckets, longestDistance: longest }: T5Config) =>
  (queries: number, keys: number): tf.Tensor4D =>
    positionBias(weights[`${half}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`], queries, keys, {
      ...{ buckets, longest },
      bidirectional: half === 'encoder',
    });

export const t5: EncoderDecoderArchitecture<T5Config> = {
  task: 'encoder-decoder',
  modelTypes: Object.keys(ARCHITECTURES),
  parseConfig,
  // transformers too takes a head that is stored, whatever the config says of ties
  refineConfig: (config, stored) => ({ ...config, tiedHead: !stored.has('lm_head.weight') }),
  weightShapes,
  canonicalName,
  encode: (weights, config, tokens, layout, tap) =>
    stack('encoder', weights, config, tokens, attentionIndex(layout, { bias: biasOf('encoder', weights, config) }), undefined, tap),
  decode: (weights, config, tokens, layout, encoded, cross, tap) => {
    const index = attentionIndex(layout, { bias: biasOf('decoder', weights, config) });
    return stack('decoder', weights, config, tokens, index, { index: attentionIndex(cross), encoded }, tap);
  },
  head: (weights, config) => ({
    weight: weights[config.tiedHead ? 'shared.weight' : 'lm_head.weight'] as tf.Tensor as tf.Tensor2D,
    options: { scale: config.outputScale },
  }),
};
