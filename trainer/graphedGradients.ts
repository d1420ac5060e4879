import * as tf from '@tensorflow/tfjs-core';
import { batchSize, fits, padBatch, type BatchSize } from '../datasets/padBatch';
import type { TokenizedPair } from '../datasets/types';
import type { GraphRecorder, RecordedWork, ValueAndGrads } from '../engine/engine';
import { tensorsWithin } from '../engine/ops/tensorsWithin';
import { UserError } from '../util/errors';
import { plainGradients, type BatchGradients, type RecordableStep, type StepBatch } from './stepInputs';

/** A size that batches are padded to, and what is known of it. */
interface Bucket {
  size: BatchSize;
  /** The number of what the first batch's computation uploaded. */
  uploads?: number;
  recorded?: { work: RecordedWork; inputs: tf.Tensor[]; trusted: boolean };
}

/** How far a launch's results may be from those of the same work done as it is, which differ where a sum's order is left to chance. */
const TOLERANCE = 2e-2;

/**
 * Gradients by recorded work. A bucket's first batch is computed as it is; so is the second, whose work is recorded then if it uploaded
 * what the first did, launched, and compared; a third batch, other than the recorded one, is computed both ways and compared once more.
 * From then on a batch's tensors are written over the recorded ones and the work is launched. The results are over at the next call.
 * Where anything fails or differs, `say` tells why, and every batch is computed as it is from there on.
 * @param buckets ascending; a batch that fits none is computed as it is
 */
export function graphedGradients(
  step: RecordableStep,
  pairs: readonly TokenizedPair[],
  buckets: readonly BatchSize[],
  recorder: GraphRecorder,
  say: (line: string) => void,
): { gradients: BatchGradients; dispose: () => void } {
  let known: Bucket[] = buckets.map((size) => ({ size }));
  const asItIs = plainGradients(step);
  const dispose = (): void => {
    for (const { recorded } of known) {
      recorded?.work.dispose();
      tf.dispose(recorded?.inputs ?? []);
    }
    known = [];
  };
  const gradients: BatchGradients = (batch) => {
    const own = batchSize(batch.indices.map((i) => pairs[i]));
    const bucket = known.find(({ size }) => fits(own, size));
    if (!bucket) return asItIs(batch);
    try {
      return throughBucket(step, bucket, recorder, { ...batch, packed: padBatch(batch.packed, bucket.size) });
    } catch (error) {
      if (error instanceof UserError) throw error;
      dispose();
      say(`CUDA graphs are not used: ${(error as Error).message.split('\n')[0]}`);
      return asItIs(batch);
    }
  };
  return { gradients, dispose };
}

function throughBucket(step: RecordableStep, bucket: Bucket, recorder: GraphRecorder, batch: StepBatch): ValueAndGrads {
  const inputs = step.upload(batch);
  const { tensors } = tensorsWithin(inputs);
  const { recorded } = bucket;
  if (recorded) {
    if (tensors.length !== recorded.inputs.length || tensors.some(({ shape }, i) => String(shape) !== String(recorded.inputs[i].shape)))
      return step.compute(inputs);
    tensors.forEach((tensor, i) => recorder.overwrite(recorded.inputs[i], tensor));
    recorded.work.launch();
    if (!recorded.trusted) recorded.trusted = requireSame(recorded.work.results, step.compute(inputs));
    return withOwnMetrics(recorded.work.results);
  }
  const { result, uploads } = recorder.observe(() => step.compute(inputs));
  if (bucket.uploads === undefined) {
    bucket.uploads = uploads;
    return result;
  }
  if (uploads !== bucket.uploads) throw new Error('the model uploads other values for each batch');
  const work = recorder.record(() => step.compute(inputs));
  bucket.recorded = { work, inputs: tensors.map((tensor) => tf.keep(tensor)), trusted: false };
  work.launch();
  requireSame(work.results, result);
  return result;
}

/** The gradients serve the update that follows; what is logged is read later, after other launches. */
function withOwnMetrics(results: ValueAndGrads): ValueAndGrads {
  const aux = Object.fromEntries(Object.entries(results.aux).map(([name, tensor]) => [name, tf.add(tensor, 0)]));
  return { loss: tf.add(results.loss, 0), aux, grads: results.grads };
}

/** @returns whether there was anything to compare: not where the gradients are not finite. @throws Error where the two differ */
function requireSame(launched: ValueAndGrads, computed: ValueAndGrads): boolean {
  const squares = (tensors: readonly tf.Tensor[]): number =>
    tensors.reduce((sum, tensor) => sum + tf.tidy(() => tf.sum(tf.square(tf.cast(tensor, 'float32'))).dataSync()[0]), 0);
  const norm = Math.sqrt(squares(computed.grads));
  if (!Number.isFinite(norm)) return false;
  const difference = Math.sqrt(computed.grads.reduce((sum, grad, i) => sum + tf.tidy(() => squares([tf.sub(launched.grads[i], grad)])), 0));
  if (!(difference <= TOLERANCE * norm))
    throw new Error(`a recorded step's gradients differ by ${((100 * difference) / norm).toPrecision(2)} % from the same step's`);
  const [given, wanted] = [launched, computed].map(({ aux }) => Object.values(aux).flatMap((tensor) => [...tensor.dataSync()]));
  wanted.forEach((value, i) => {
    if (!(Math.abs(given[i] - value) <= TOLERANCE * Math.max(1, Math.abs(value))))
      throw new Error(`a recorded step's metrics differ: ${given[i]} in place of ${value}`);
  });
  return true;
}
