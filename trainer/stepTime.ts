import type { EstimateConfig } from './estimateConfig';
import { stateKinds } from './optimizer';
import type { StepMemory } from './stepMemory';
import type { StepShape } from './stepShape';

/** What a device does. */
export interface Throughput {
  /** Floating-point operations a second of the layers' matrix products, and of the output head's. */
  layerFlops: number;
  headFlops: number;
  /** Bytes a second that are read or written. */
  bandwidth: number;
}

/** What an update does, all batches of the accumulation together. */
export interface StepWork {
  layerFlops: number;
  headFlops: number;
  /** Bytes moved beside the matrix products. */
  bytes: number;
  /** Calls of operations. */
  calls: number;
}

/** Seconds that a call of an operation takes beside its work: docs/LOG.md. */
const CALL_SECONDS = 5e-6;
/** Calls of a layer, forward and backward. */
const LAYER_CALLS = 100;
/** Times that a kept activation, or its gradient, is read or written. */
const ACTIVATION_PASSES = 5;
/** Bytes read and written to turn a number in 4 bits into a float: its codes, their values, the product with its block's magnitude. */
const QUANTIZED_BYTES = 22;
/** Times that a logit, or its gradient, is read or written. */
const LOGIT_PASSES = 6;

/**
 * Work of a training step with the reference's log-probabilities known. A matrix product counts 2 operations a weight and row forward, and as
 * many for each gradient: of its input, and of its weight where that is trained.
 */
export function stepWork(shape: StepShape, memory: StepMemory, options: EstimateConfig): StepWork {
  const { rows, layers, queryWidth, seen, trained, targets, headWeights } = shape;
  const bytes = options.precision === 'bf16' ? 2 : 4;
  const isAdapted = options.loraRank !== undefined;
  const passes = isAdapted ? 2 : 3;
  const forwards = options.recompute === 'blocks' ? 1 : 0;
  const attention = 4 * seen * queryWidth * layers;
  const layerFlops = 2 * rows * ((passes + forwards) * shape.layerMatrices + (3 + forwards) * shape.adapter) + (3 + forwards) * attention;
  // several chunks of logits are computed again
  const again = memory.logits < targets * shape.vocabulary * (4 + bytes) ? 1 : 0;
  const headFlops = 2 * targets * headWeights * (passes + again);
  const activations = memory.activations * ACTIVATION_PASSES + 4 * targets * shape.vocabulary * LOGIT_PASSES;
  const unpacked = shape.quantized * QUANTIZED_BYTES * (2 + forwards);
  const batches = options.gradientAccumulationSteps;
  // a norm reads the gradients; the update reads them again, reads and writes weights and state, and writes the working copy
  const update = trained * (2 * bytes + 8 + 8 * stateKinds(options).length + (bytes === 2 ? 2 : 0));
  const accumulation = batches > 1 ? batches * trained * (8 + bytes) : 0;
  return {
    layerFlops: batches * layerFlops,
    headFlops: batches * headFlops,
    bytes: batches * (activations + unpacked + bytes * trained) + update + accumulation,
    calls: batches * layers * LAYER_CALLS * (1 + forwards / 3),
  };
}

/** Seconds of an update. */
export function stepSeconds(work: StepWork, throughput: Throughput): number {
  const products = work.layerFlops / throughput.layerFlops + work.headFlops / throughput.headFlops;
  return products + work.bytes / throughput.bandwidth + work.calls * CALL_SECONDS;
}
