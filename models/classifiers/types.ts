import type * as tf from '@tensorflow/tfjs-core';
import type { BaseConfig, Model, Network, Weights } from '../types';
import type { Labels } from './labels';

/** What every classifier's parsed config has. */
export interface ClassifierConfig extends BaseConfig {
  labels: Labels;
  /** Added to a token's place in its text, counted from 0, to have its row of the position table. */
  positionOffset: number;
  /** A token that is not counted when places are, and has row `positionOffset - 1` itself (RoBERTa's padding, where a text spells it out). */
  uncountedToken?: number;
}

/** An encoder with a head that labels sequences. `forward` gives hidden states under bidirectional attention. */
export interface ClassifierArchitecture<C extends ClassifierConfig = ClassifierConfig> extends Network<C> {
  task: 'classification';
  /** The labels' logits [S, L] from the last hidden states of the sequences' first tokens [S, D]. */
  classify(weights: Weights, config: C, first: tf.Tensor2D): tf.Tensor2D;
}

/** A loaded classifier. */
export interface Classifier extends Omit<Model, 'architecture' | 'config' | 'adapter'> {
  architecture: ClassifierArchitecture;
  config: ClassifierConfig;
}
