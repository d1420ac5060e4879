import * as tf from '@tensorflow/tfjs-core';
import { fieldError, type ConfigSource } from '../configFields';
import { bertFields, bertNames, currentNorm } from './bert';
import { encode, encoderShapes, linearShapes, project, type EncoderConfig } from './encoder';
import type { ClassifierArchitecture } from './types';

const FAMILIES: Readonly<Record<string, string>> = { roberta: 'Roberta', 'xlm-roberta': 'XLMRoberta' };

const names = bertNames('roberta');

/** BERT's fields, and the padding token's id: places are counted from the one behind it, as fairseq does. */
function parseConfig(json: Readonly<Record<string, unknown>>, file: string): EncoderConfig {
  const source: ConfigSource = { json, file };
  const modelType = json.model_type as string;
  const config = bertFields(source, FAMILIES[modelType]);
  const padding = json.pad_token_id ?? 1;
  if (!Number.isInteger(padding) || (padding as number) < 0 || (padding as number) + 1 >= config.positionRows)
    throw fieldError(source, 'pad_token_id', padding, `a token id of 0 or more that leaves positions of ${config.positionRows}`);
  const positionOffset = (padding as number) + 1;
  return { ...config, modelType, positionOffset, uncountedToken: padding as number, maxPositions: config.positionRows - positionOffset };
}

/** RoBERTa (arXiv 1907.11692) and XLM-RoBERTa (arXiv 1911.02116), as transformers' `RobertaForSequenceClassification` and `XLMRoberta…`. */
export const roberta: ClassifierArchitecture<EncoderConfig> = {
  task: 'classification',
  modelTypes: Object.keys(FAMILIES),
  parseConfig,
  weightShapes: (config) => ({
    ...encoderShapes(config, names),
    ...linearShapes('classifier.dense', config.width, config.width),
    ...linearShapes('classifier.out_proj', config.labels.names.length, config.width),
  }),
  // the pooler and the head of pretraining, left over
  canonicalName: (name) => (/^(roberta\.embeddings\.position_ids$|roberta\.pooler\.|lm_head\.)/.test(name) ? null : currentNorm(name)),
  forward: (weights, config, input) => encode(weights, config, names, input),
  classify: (weights, _config, first) => project(weights, 'classifier.out_proj', tf.tanh(project(weights, 'classifier.dense', first))),
};
