import type * as tf from '@tensorflow/tfjs-core';
import type { Quantization } from '../engine/engine';
import type { AttentionOptions } from '../engine/ops/attention';
import type { HeadOptions } from '../engine/ops/tokenLogProbs';
import type { Adapter } from './adapters/types';

/*
 * Shapes: B pairs, T packed tokens, D model width, H heads, Hk key/value heads, V vocabulary, L layers.
 */

/** Weights by the name that Hugging Face's current checkpoints give them, prefixes and all (`model.layers.0.mlp.up_proj.weight`). */
export type Weights = Readonly<Record<string, tf.Variable>>;

/** Attention as the caller wants it: over packed segments, or against a cache. Models do not know which. */
export type Attend = (layer: number, q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, options: AttentionOptions) => tf.Tensor3D;

export interface ForwardInput {
  /** int32 [T] */
  tokens: tf.Tensor1D;
  /** int32 [T]: each token's place in its own sequence, from 0. */
  positions: tf.Tensor1D;
  attend: Attend;
  /**
   * Called with activations by name; returns what the model goes on with (itself, or a changed tensor). Names are stable:
   * `embed` [T, D], `blocks.N.attn.out` [T, D], `blocks.N.mlp.act` [T, F], `blocks.N.mlp.out` [T, D],
   * `blocks.N.out` [T, D] (the residual stream after block N), `norm` [T, D] (after the last norm).
   * `attn.out` and `mlp.out` are what is added to the residual stream. Values inside a block (`attn.out`, `mlp.act`, `mlp.out`)
   * and what a tap makes of them are freed when the block ends: `tf.keep` what must outlive it. `embed`, `blocks.N.out` and
   * `norm` live as long as the caller's own `tidy`.
   */
  tap?: (name: string, value: tf.Tensor2D) => tf.Tensor2D;
  /** Runs a block now, keeping nothing of it, and again in the backward pass; models call it through `runBlock`. Never beside a tap. */
  recompute?: <E extends readonly tf.Tensor[]>(
    x: tf.Tensor2D,
    extras: readonly [...E],
    run: (x: tf.Tensor2D, extras: readonly [...E], input: BlockInput) => tf.Tensor2D,
  ) => tf.Tensor2D;
}

/** What a block reads of its model's input. */
export type BlockInput = Pick<ForwardInput, 'attend' | 'tap'>;

/** What every architecture's parsed config has. */
export interface BaseConfig {
  modelType: string;
  layers: number;
  width: number;
  heads: number;
  keyValueHeads: number;
  headWidth: number;
  /** Rows of the embedding: at least the tokenizer's size. */
  vocabulary: number;
  /** Longest sequence that the model knows; Infinity where nothing bounds it. */
  maxPositions: number;
  /** Sliding windows that its layers use (none: empty). */
  windows: readonly number[];
  /** ALiBi's slope of each head, where its layers use it. */
  alibiSlopes?: readonly number[];
  /** Soft cap on attention's scores, where its layers have one. */
  attentionSoftcap?: number;
  /** Whether the head is the embedding. */
  tiedHead: boolean;
}

/** What a model is for: to go on with a text, to put labels on one, or to read one and write another. */
export type ModelTask = 'language' | 'classification' | 'encoder-decoder';

/** One model family, in one file named by its `model_type`. */
export interface Network<C extends BaseConfig = BaseConfig> {
  /** By default `language`. */
  task?: ModelTask;
  /** Every spelling of `model_type` that means this family. */
  modelTypes: readonly string[];
  /**
   * Reads a Hugging Face config.json. Values that would change the result and are not supported are refused by name.
   * @throws UserError naming the file and the field
   */
  parseConfig(json: Readonly<Record<string, unknown>>, file: string): C;
  /** The config in the light of the names that a checkpoint stores, where those say more than config.json. */
  refineConfig?(config: C, stored: ReadonlySet<string>): C;
  /** Linear weights are stored [inputs, outputs] (GPT-2's `Conv1D`), not as `nn.Linear` has them. */
  inputFirst?: true;
  /** Every weight's name and shape. */
  weightShapes(config: C): Readonly<Record<string, readonly number[]>>;
  /** The current name of a checkpoint's tensor, or `null` for a buffer to skip (old prefixes, `attn.bias`, `rotary_emb.inv_freq`). */
  canonicalName(name: string, config: C): string | null;
  /** Final hidden states, after the last norm: [T, D]. */
  forward(weights: Weights, config: C, input: ForwardInput): tf.Tensor2D;
  /** config.json to write beside the weights under their canonical names, where it is not the one that was read. */
  savedConfig?(json: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
}

/** A causal language model. */
export interface Architecture<C extends BaseConfig = BaseConfig> extends Network<C> {
  task?: 'language';
  /** The output head: its weight [V, D] and what is done to the logits. */
  head(weights: Weights, config: C): { weight: tf.Tensor2D; options: HeadOptions };
}

/** A loaded model: architecture, config, weights on the engine's device. */
export interface Model {
  architecture: Architecture;
  config: BaseConfig;
  weights: Weights;
  /** What is trained in place of `weights`, if anything. */
  adapter?: Adapter;
  /** What an adapter's full copies stand in for. */
  bare?: Pick<Model, 'config' | 'weights'>;
  /** config.json as read, written back when the model is saved. */
  rawConfig: Readonly<Record<string, unknown>>;
  /** Fields of config.json written as floats though whole (`30.0`): JSON.parse forgets it, transformers' type checks want it back. */
  floatFields?: readonly string[];
  /** The folder it came from; other files (tokenizer) are copied from there when it is saved. */
  folder: string;
  /** How linear weights are held in 4 bits, where they are, and what `contentHash` would be without. */
  quantization?: Quantization;
  filesHash?: string;
  /** Identifies weights and config: part of every cache key and of eval.json. */
  contentHash: string;
}
