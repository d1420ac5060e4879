import * as tf from '@tensorflow/tfjs-core';
import { activationField, positiveInteger, positiveNumber, requireMultiple, type ConfigSource } from '../configFields';
import { encode, encoderShapes, linearShapes, project, requireClassifier, type EncoderConfig, type EncoderNames } from './encoder';
import { labelFields } from './labels';
import type { ClassifierArchitecture } from './types';

/** Names of the encoder's modules in BERT and RoBERTa. @param prefix `bert` or `roberta` */
export function bertNames(prefix: string): EncoderNames {
  return {
    embeddings: `${prefix}.embeddings`,
    block: (layer) => {
      const name = `${prefix}.encoder.layer.${layer}`;
      return {
        query: `${name}.attention.self.query`,
        key: `${name}.attention.self.key`,
        value: `${name}.attention.self.value`,
        attentionOut: `${name}.attention.output.dense`,
        attentionNorm: `${name}.attention.output.LayerNorm`,
        inner: `${name}.intermediate.dense`,
        outer: `${name}.output.dense`,
        outerNorm: `${name}.output.LayerNorm`,
      };
    },
  };
}

/** The fields that BERT and RoBERTa share, with `positionOffset` 0. Without effect here: dropout, `use_cache`, `tie_word_embeddings`,
 * `chunk_size_feed_forward`, `initializer_range`, the ids of special tokens, fields of the pooler and of training. */
export function bertFields(source: ConfigSource, family: string): EncoderConfig {
  requireClassifier(source, family);
  const width = positiveInteger(source, 'hidden_size', 768);
  const heads = positiveInteger(source, 'num_attention_heads', 12);
  requireMultiple(source, 'hidden_size', width, 'num_attention_heads', heads);
  const positionRows = positiveInteger(source, 'max_position_embeddings', 512);
  return {
    modelType: 'bert',
    layers: positiveInteger(source, 'num_hidden_layers', 12),
    width,
    heads,
    keyValueHeads: heads,
    headWidth: width / heads,
    innerWidth: positiveInteger(source, 'intermediate_size', 3072),
    activation: activationField(source, 'hidden_act', 'gelu'),
    epsilon: positiveNumber(source, 'layer_norm_eps', 1e-12),
    vocabulary: positiveInteger(source, 'vocab_size', 30522),
    positionRows,
    maxPositions: positionRows,
    positionOffset: 0,
    tokenTypes: positiveInteger(source, 'type_vocab_size', 2),
    windows: [],
    tiedHead: false,
    labels: labelFields(source),
  };
}

/** A name as it is written today: the first releases called a norm's weight gamma and its bias beta. */
export function currentNorm(name: string): string {
  return name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
}

const names = bertNames('bert');

/** BERT (arXiv 1810.04805), as transformers' `BertForSequenceClassification`. */
export const bert: ClassifierArchitecture<EncoderConfig> = {
  task: 'classification',
  modelTypes: ['bert'],
  parseConfig: (json, file) => bertFields({ json, file }, 'Bert'),
  weightShapes: (config) => ({
    ...encoderShapes(config, names),
    ...linearShapes('bert.pooler.dense', config.width, config.width),
    ...linearShapes('classifier', config.labels.names.length, config.width),
  }),
  // the heads of pretraining, left over
  canonicalName: (name) => (name === 'bert.embeddings.position_ids' || name.startsWith('cls.') ? null : currentNorm(name)),
  forward: (weights, config, input) => encode(weights, config, names, input),
  classify: (weights, _config, first) => project(weights, 'classifier', tf.tanh(project(weights, 'bert.pooler.dense', first))),
};
