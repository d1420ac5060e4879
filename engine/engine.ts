import type * as tf from '@tensorflow/tfjs-core';

export type EngineName = 'torch' | 'tensorflow' | 'wasm' | 'tfjs';
export type Precision = 'float32' | 'bf16';

/** What `valueAndGrads` differentiates: a scalar loss, and any tensors that the caller wants beside it. */
export interface LossOutput {
  loss: tf.Scalar;
  aux?: Readonly<Record<string, tf.Tensor>>;
}

export interface ValueAndGrads {
  loss: tf.Scalar;
  aux: Readonly<Record<string, tf.Tensor>>;
  /** One gradient a weight, in the weights' order and shapes; zeros for a weight that the loss does not depend on. */
  grads: tf.Tensor[];
}

/** Work recorded once: see `GraphRecorder`. */
export interface RecordedWork {
  /** Where each launch leaves its results: over those of the launch before, and of other recordings. The caller disposes none of them. */
  results: ValueAndGrads;
  /** Runs the work over what the tensors that it reads hold now. */
  launch(): void;
  dispose(): void;
}

/** Records the work that a function queues on the device, to be launched again as a whole: CUDA graphs. */
export interface GraphRecorder {
  /** Runs `f` as it is. @returns its result, and a number for the values that it uploaded: the same for the same values */
  observe<T>(f: () => T): { result: T; uploads: number };
  /**
   * Records `f` without running it. It must read what differs from one launch to the next from tensors that are there before and stay, and
   * upload what it did when it was last `observe`d.
   * @throws Error in a few words where it does what cannot be recorded; everything else goes on as before
   */
  record(f: () => ValueAndGrads): RecordedWork;
  /** Writes a tensor's values over another's, which keeps its memory. Both are of one shape and type. */
  overwrite(target: tf.Tensor, values: tf.Tensor): void;
}

/** How frozen weights are kept in 4 bits (QLoRA, arXiv 2305.14314), as bitsandbytes does it: in blocks of 64 values. */
export interface Quantization {
  type: 'nf4' | 'fp4';
  /** Whether the blocks' magnitudes are quantised too, to 8 bits. */
  double: boolean;
}

/** Where tensors live and how gradients are taken. Models, losses and metrics never ask which engine it is. */
export interface Engine {
  readonly name: EngineName;
  /** `cpu`, `cuda:0`, … */
  readonly device: string;
  readonly precision: Precision;
  /** One line for people: engine, version, device, threads. */
  readonly description: string;
  /** Why it is this engine on this device, in a few words; set by `startEngine`. */
  readonly reason?: string;
  /**
   * A model weight. Trainable weights keep a float32 master copy whatever the precision; frozen ones are stored in the
   * engine's precision alone. Free it with `dispose()`.
   * @param exact kept and computed with in float32, whatever the precision
   */
  parameter(values: Float32Array, shape: readonly number[], trainable: boolean, exact?: boolean): tf.Variable;
  /**
   * A frozen linear weight in 4 bits, for `linear` and `conv1d` alone; engines without it have none of their own.
   * @param inputFirst the weight is a `conv1d`'s: it is quantised as [outputs, inputs]
   */
  quantizedParameter?(values: Float32Array, shape: readonly number[], quantization: Quantization, inputFirst: boolean): tf.Variable;
  /** The float32 values of a parameter (the master copy, where there is one). */
  readParameter(weight: tf.Variable): Float32Array;
  /**
   * Runs `f` once, recording, and differentiates its loss with respect to `weights`.
   * Everything else made inside `f` is freed; the caller frees what is returned.
   */
  valueAndGrads(f: () => LossOutput, weights: readonly tf.Variable[]): ValueAndGrads;
  /**
   * Runs `f` without keeping its intermediate results, and runs it again in the backward pass to have them: memory for time.
   * Outside `valueAndGrads` it is `f(...inputs)`.
   */
  recomputed<I extends tf.Tensor[], O extends tf.Tensor>(f: (...inputs: I) => O, inputs: I): O;
  /** On GPUs, from the first call on: what records CUDA graphs, or why there is none. */
  graphRecorder?(): GraphRecorder | string;
  /** The most bytes of the device's memory that tensors took at a time since the last call; only on GPUs, which count them. */
  peakMemory?(): number;
  /** Bytes that tensors can still take on the device; only on GPUs. */
  freeMemory?(): number;
}

/** The line that commands begin with: which engine, on what, and why. */
export function engineLine({ description, reason }: Engine): string {
  return `engine: ${description}${reason ? ` (${reason})` : ''}`;
}

let active: Engine | undefined;

/** The engine in use. @throws when `startEngine` has not run: a bug of ours, not of the user's. */
export function currentEngine(): Engine {
  if (!active) throw new Error('internal: no engine is started; call startEngine() first');
  return active;
}

/** Makes `engine` the one in use; only `startEngine` and tests call it. */
export function useEngine(engine: Engine): void {
  active = engine;
}
