import * as tf from '@tensorflow/tfjs-core';
import { activationField, positiveInteger, requireMultiple, type ConfigSource } from '../configFields';
import { currentNorm } from './bert';
import { encode, encoderShapes, linearShapes, project, requireClassifier, type EncoderConfig, type EncoderNames } from './encoder';
import { labelFields } from './labels';
import type { ClassifierArchitecture } from './types';

const names: EncoderNames = {
  embeddings: 'distilbert.embeddings',
  block: (layer) => {
    const name = `distilbert.transformer.layer.${layer}`;
    return {
      query: `${name}.attention.q_lin`,
      key: `${name}.attention.k_lin`,
      value: `${name}.attention.v_lin`,
      attentionOut: `${name}.attention.out_lin`,
      attentionNorm: `${name}.sa_layer_norm`,
      inner: `${name}.ffn.lin1`,
      outer: `${name}.ffn.lin2`,
      outerNorm: `${name}.output_layer_norm`,
    };
  },
};

/** Without effect: dropout, `initializer_range`, `tie_weights_`, and `sinusoidal_pos_embds`, since the table is stored either way. */
function parseConfig(json: Readonly<Record<string, unknown>>, file: string): EncoderConfig {
  const source: ConfigSource = { json, file };
  requireClassifier(source, 'DistilBert');
  const width = positiveInteger(source, ['dim', 'hidden_size'], 768);
  const heads = positiveInteger(source, ['n_heads', 'num_attention_heads'], 12);
  requireMultiple(source, 'dim', width, 'n_heads', heads);
  const positionRows = positiveInteger(source, 'max_position_embeddings', 512);
  return {
    modelType: 'distilbert',
    layers: positiveInteger(source, ['n_layers', 'num_hidden_layers'], 6),
    width,
    heads,
    keyValueHeads: heads,
    headWidth: width / heads,
    innerWidth: positiveInteger(source, 'hidden_dim', 3072),
    activation: activationField(source, 'activation', 'gelu'),
    epsilon: 1e-12,
    vocabulary: positiveInteger(source, 'vocab_size', 30522),
    positionRows,
    maxPositions: positionRows,
    positionOffset: 0,
    tokenTypes: 0,
    windows: [],
    tiedHead: false,
    labels: labelFields(source),
  };
}

/** DistilBERT (arXiv 1910.01108), as transformers' `DistilBertForSequenceClassification`. */
export const distilbert: ClassifierArchitecture<EncoderConfig> = {
  task: 'classification',
  modelTypes: ['distilbert'],
  parseConfig,
  weightShapes: (config) => ({
    ...encoderShapes(config, names),
    ...linearShapes('pre_classifier', config.width, config.width),
    ...linearShapes('classifier', config.labels.names.length, config.width),
  }),
  // the head of pretraining, left over
  canonicalName: (name) => (/^(distilbert\.embeddings\.position_ids$|vocab_)/.test(name) ? null : currentNorm(name)),
  forward: (weights, config, input) => encode(weights, config, names, input),
  classify: (weights, _config, first) => project(weights, 'classifier', tf.relu(project(weights, 'pre_classifier', first))),
};
