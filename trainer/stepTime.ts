import { rowsAtOnce } from '../engine/ops/tokenLogProbs';
import type { EstimateConfig } from './estimateConfig';
import { stateKinds } from './optimizer';
import type { StepMemory } from './stepMemory';
import type { StepShape } from './stepShape';

/** What a device does. */
export interface Throughput {
  /** Floating-point operations a second of matrix products. */
  flops: number;
  /** Bytes a second that are read or written. */
  bandwidth: number;
}

/** What an update does, all batches of the accumulation together. */
export interface StepWork {
  /** Floating-point operations of the layers' matrix products, attention's among them, and of the output head's. */
  layerFlops: number;
  headFlops: number;
  /** Bytes moved beside the matrix products. */
  bytes: number;
}

/** Seconds of a step's parts, as `measureStep` finds them. */
export interface StepParts {
  /** Forward and backward pass of a batch: of all blocks, of what grows with the vocabulary (embedding, head), and of what is left. */
  blocks: number;
  vocabulary: number;
  rest: number;
  /** Clipping and the optimizer. */
  update: number;
  /** With accumulation: the sum of gradients with a first batch's in it, and another batch's addition to it. */
  firstSum: number;
  nextSum: number;
}

/** Times that a kept activation, or its gradient, is read or written. */
const ACTIVATION_PASSES = 5;
/** Bytes read and written to turn a number in 4 bits into a float: its codes, their values, the product with its block's magnitude. */
const QUANTIZED_BYTES = 22;
/** Times that a logit, or its gradient, is read or written. */
const LOGIT_PASSES = 6;
/** And where pairs are weighted: the logits are made once more, without gradients. */
const WEIGHTING_PASSES = 2;

/**
 * Work of a training step with the reference's log-probabilities known. A matrix product counts 2 operations a weight and row forward, and as
 * many for each gradient: of its input, and of its weight where that is trained. Attention makes two products forward and five backward, since
 * it computes its probabilities again.
 */
export function stepWork(shape: StepShape, memory: StepMemory, options: EstimateConfig): StepWork {
  const { rows, layers, queryWidth, seen, trained, targets, headWeights } = shape;
  const bytes = options.precision === 'bf16' ? 2 : 4;
  const passes = options.loraRank === undefined ? 3 : 2;
  const forwards = options.recompute === 'blocks' ? 1 : 0;
  const attention = 2 * seen * queryWidth * layers * (2 + 5 + 2 * forwards);
  const layerFlops = 2 * rows * ((passes + forwards) * shape.layerMatrices + (3 + forwards) * shape.adapter) + attention;
  // several chunks of logits are computed again
  const again = targets > rowsAtOnce(shape.vocabulary) ? 1 : 0;
  const weighting = options.useWeighting ? 1 : 0;
  const headFlops = 2 * targets * headWeights * (passes + again + weighting);
  const logitPasses = LOGIT_PASSES + weighting * WEIGHTING_PASSES;
  const activations = memory.activations * ACTIVATION_PASSES + 4 * targets * shape.vocabulary * logitPasses;
  const unpacked = shape.quantized * QUANTIZED_BYTES * (2 + forwards);
  const batches = options.gradientAccumulationSteps;
  // a norm reads the gradients; the update reads them again, reads and writes weights and state, and writes the working copy
  const update = trained * (2 * bytes + 8 + 8 * stateKinds(options).length + (bytes === 2 ? 2 : 0));
  const accumulation = batches > 1 ? batches * trained * (8 + bytes) : 0;
  return {
    layerFlops: batches * layerFlops,
    headFlops: batches * headFlops,
    bytes: batches * (activations + unpacked + bytes * trained) + update + accumulation,
  };
}

/** Seconds of an update on a device of this throughput, were it never kept waiting. */
export function secondsAt({ layerFlops, headFlops, bytes }: StepWork, { flops, bandwidth }: Throughput): number {
  return (layerFlops + headFlops) / flops + bytes / bandwidth;
}

/** Seconds of an update whose parts were measured. */
export function stepSeconds({ blocks, vocabulary, rest, update, firstSum, nextSum }: StepParts, batches: number): number {
  const sums = batches > 1 ? firstSum + (batches - 1) * nextSum : 0;
  return batches * (blocks + vocabulary + rest) + sums + update;
}
