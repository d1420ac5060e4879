import type * as tf from '@tensorflow/tfjs-core';
import type { AttentionLayout } from '../../engine/ops/attentionIndex';
import type { HeadOptions } from '../../engine/ops/tokenLogProbs';
import type { BaseConfig, Model, Network, Weights } from '../types';

/** What every encoder-decoder's parsed config has; `layers` are the encoder's. */
export interface EncoderDecoderConfig extends BaseConfig {
  decoderLayers: number;
  /** The token that the decoder's text begins with. */
  startToken: number;
}

/** A model that reads a text with one half and writes another with its other half. Te rows of packed texts read, Td of texts written. */
export interface EncoderDecoderArchitecture<C extends EncoderDecoderConfig = EncoderDecoderConfig> extends Omit<Network<C>, 'forward'> {
  task: 'encoder-decoder';
  /** Hidden states after the encoder's last norm, [Te, D]. @param layout bidirectional, each text a segment */
  encode(weights: Weights, config: C, tokens: tf.Tensor1D, layout: AttentionLayout, tap?: Tap): tf.Tensor2D;
  /**
   * Hidden states after the decoder's last norm, [Td, D].
   * @param layout each text a segment  @param encoded [Te, D]
   * @param cross the same queries, and the encoder's rows of the text that each segment's is written to
   */
  decode(
    weights: Weights,
    config: C,
    tokens: tf.Tensor1D,
    layout: AttentionLayout,
    encoded: tf.Tensor2D,
    cross: AttentionLayout,
    tap?: Tap,
  ): tf.Tensor2D;
  head(weights: Weights, config: C): { weight: tf.Tensor2D; options: HeadOptions };
}

/** Shown each half's residual stream: `encoder.embed`, `encoder.blocks.N.out`, `encoder.norm`, and the decoder's likewise. */
export type Tap = (name: string, value: tf.Tensor2D) => void;

/** A loaded encoder-decoder. */
export interface EncoderDecoder extends Omit<Model, 'architecture' | 'config' | 'adapter'> {
  architecture: EncoderDecoderArchitecture;
  config: EncoderDecoderConfig;
}
