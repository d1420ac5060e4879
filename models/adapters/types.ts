import type * as tf from '@tensorflow/tfjs-core';

/*
 * Shapes: I and O are a linear weight's inputs and outputs, R the adapter's rank.
 */

/** How an adapter is made; PEFT's LoraConfig under its own names. */
export interface LoraOptions {
  rank: number;
  /** The addition's factor is alpha / rank. */
  alpha: number;
  /** rsLoRA (arXiv 2312.03732): the factor is alpha / sqrt(rank). */
  rslora: boolean;
  /** Names of modules (the last parts of their names), regular expressions for whole names, or `all-linear`. */
  targets: readonly string[];
  /** Modules that are trained whole, as copies: PEFT's `modules_to_save`. */
  modulesToSave?: readonly string[];
  /** What is made of a tied embedding is made of the head too: PEFT's `ensure_weight_tying`. */
  ensureWeightTying?: boolean;
  /** DoRA (arXiv 2402.09353): a magnitude a module's output is trained beside the direction. */
  dora?: boolean;
  /** Share of the inputs that training hides from the low-rank part. */
  dropout?: number;
  /** Seed of the first values of A. */
  seed: number;
}

/** A low-rank addition to one weight: W + scale · B · A; with magnitudes, its rows brought to these lengths (DoRA). */
export interface LoraModule {
  /** The module's name in the model: its weight's without `.weight`. */
  name: string;
  kind: 'linear' | 'embedding';
  /** The weight is stored [I, O]; an embedding's inputs are its tokens. */
  inputFirst: boolean;
  scale: number;
  /** [R, I] */
  a: tf.Variable;
  /** [O, R] */
  b: tf.Variable;
  /** `a` and `b` are its embedding's B and A, which are its own transposed. */
  isTied?: true;
  /** DoRA's, [O]. */
  magnitude?: tf.Variable;
}

/** An embedding and the head that is tied to it, where an adapter makes one thing of both. */
export interface TiedModules {
  embedding: string;
  head: string;
}

/** LoRA's dropout: `seed` is there while it is active (adapterDropout.ts). */
export interface AdapterDropout {
  rate: number;
  seed?: number;
}

/** What is trained in place of a model's own weights, and saved in PEFT's format. */
export interface Adapter {
  /** adapter_config.json, as it was read or made. */
  config: Readonly<Record<string, unknown>>;
  modules: readonly LoraModule[];
  /** Weights that stand in for the model's own, by the model's names. */
  copies: Readonly<Record<string, tf.Variable>>;
  /** The copy or addition of the first is the second's too. */
  tied?: TiedModules;
  /** Everything that is trained, by the names of adapter_model.safetensors, where a tied head stands beside it. */
  weights: Readonly<Record<string, tf.Variable>>;
  dropout: AdapterDropout;
  /** The base model's `contentHash`. */
  baseHash: string;
  /** How the base model's weights were held in 4 bits when it was trained, if they were and it is known. */
  trainedOn?: string;
}
