import type { PackedBatch } from '../datasets/types';
import type { Gpt2Shape } from './ours/randomGpt2';

/** What one training step must do at least. */
export interface StepWork {
  /** Floating-point operations of the matrix products. */
  flops: number;
  /** Bytes that the optimizer reads and writes. */
  bytes: number;
}

/** What the device does at most, as measured in the same session. */
export interface Peaks {
  flopsPerSecond: number;
  bytesPerSecond: number;
}

/** Weights of a GPT-2's matrices, its embedding (which is its head) apart. */
function blockMatrices({ layers, width }: Gpt2Shape): number {
  return layers * 12 * width * width;
}

/** All weights of a GPT-2 with a tied head. */
export function parameterCount(shape: Gpt2Shape): number {
  const { layers, width, vocabulary, positions } = shape;
  return blockMatrices(shape) + layers * 13 * width + (vocabulary + positions + 2) * width;
}

/**
 * The least work of a DPO step on a packed batch. A matrix product counts 2 operations a weight and row forward and 4 backward; attention
 * counts the pairs of query and key that see each other; the head counts the predicted tokens alone.
 * @param referenceToo whether the reference model's forward pass is part of the step
 * @param bytesPerWeight the optimizer's traffic: gradient, master, state and working copy, read and written
 */
export function stepWork(shape: Gpt2Shape, batch: PackedBatch, referenceToo: boolean, bytesPerWeight: number): StepWork {
  const rows = batch.tokens.length;
  const seen = Array.from(batch.layout.queryLengths, (queries, s) => {
    const before = batch.layout.keyLengths[s] - queries;
    return queries * before + (queries * (queries + 1)) / 2;
  }).reduce((sum, count) => sum + count, 0);
  const forward =
    2 * rows * blockMatrices(shape) + 4 * seen * shape.width * shape.layers + 2 * batch.targets.length * shape.width * shape.vocabulary;
  return { flops: forward * (referenceToo ? 4 : 3), bytes: parameterCount(shape) * bytesPerWeight };
}

/** Milliseconds below which no program can do the work on a device of these peaks. */
export function rooflineMs({ flops, bytes }: StepWork, peaks: Peaks): number {
  return 1000 * (flops / peaks.flopsPerSecond + bytes / peaks.bytesPerSecond);
}
