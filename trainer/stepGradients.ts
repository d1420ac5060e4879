import { batchSize, type BatchSize } from '../datasets/padBatch';
import type { TokenizedPair } from '../datasets/types';
import { currentEngine } from '../engine/engine';
import type { Model } from '../models/types';
import { UserError } from '../util/errors';
import type { BatchPlan } from './batchPlan';
import { graphedGradients } from './graphedGradients';
import { lengthBuckets } from './lengthBuckets';
import type { RunConfig } from './runConfig';
import { plainGradients, recordableStep, type BatchGradients, type StepSource } from './stepInputs';

/** Graphs at most: each serves batches up to a length. */
const BUCKETS = 4;

/** Batches of a bucket that make its recording worth while: three of them are computed as they are. */
const WORTH_RECORDING = 16;

/**
 * Seconds that a GPU needs at least to be handed a layer's work, forward and backward, and floating-point operations that it does a second:
 * design figures of an H100 with a step's launches from one thread (docs/LOG.md). Where it is handed less than it could do meanwhile, the
 * launches bound the step.
 */
const LAYER_LAUNCH_SECONDS = 1e-3;
const FLOPS = { bf16: 300e12, float32: 40e12 };

/** @throws UserError where CUDA graphs are asked for and this engine has none */
export function requireGraphs({ cudaGraphs }: Pick<RunConfig, 'cudaGraphs'>): void {
  const { graphRecorder, description } = currentEngine();
  if (cudaGraphs === 'on' && !graphRecorder)
    throw new UserError(`--cuda-graphs on: they need a GPU and the torch engine, and this is ${description}`);
}

/**
 * How a run computes its gradients: with CUDA graphs where `--cuda-graphs` and the run allow them.
 * @param pairs the training pairs that `plan` names
 * @throws UserError where they are asked for and cannot be had
 */
export function stepGradients(
  source: StepSource,
  plan: BatchPlan,
  pairs: readonly TokenizedPair[],
  say: (line: string) => void,
): { gradients: BatchGradients; dispose: () => void } {
  const { config, model } = source;
  const step = recordableStep(source);
  const plain = { gradients: plainGradients(step), dispose: () => undefined };
  const without = (reason: string): typeof plain => {
    if (config.cudaGraphs === 'on') throw new UserError(`--cuda-graphs on: ${reason}`);
    say(`CUDA graphs are not used: ${reason}`);
    return plain;
  };
  const engine = currentEngine();
  if (config.cudaGraphs === 'off' || !engine.graphRecorder) return plain;
  if (model.adapter && model.adapter.dropout.rate > 0) return without("LoRA's dropout draws anew in each step");
  const sizes = plannedSizes(plan, pairs, config);
  const most = Math.min(BUCKETS, Math.floor(sizes.length / WORTH_RECORDING));
  if (most === 0)
    return without(`the run has ${sizes.length} batches of ${config.batchSize} pairs, and recording pays from ${WORTH_RECORDING}`);
  const buckets = lengthBuckets(sizes, most);
  if (config.cudaGraphs === 'auto' && !launchesBound(model, buckets[buckets.length - 1].rows))
    return without('the batches are large enough to keep the GPU busy');
  const recorder = engine.graphRecorder();
  if (typeof recorder === 'string') return without(recorder);
  say(`CUDA graphs for batches of up to ${buckets.map(({ rows }) => rows).join(', ')} tokens`);
  return graphedGradients(step, pairs, buckets, recorder, say);
}

/** Sizes of all whole batches of the run. */
function plannedSizes(plan: BatchPlan, pairs: readonly TokenizedPair[], { batchSize: count }: RunConfig): BatchSize[] {
  return Array.from({ length: plan.totalSteps }, (_, step) => plan.batches(step))
    .flat()
    .filter((indices) => indices.length === count)
    .map((indices) => batchSize(indices.map((i) => pairs[i])));
}

/** Whether handing a GPU a batch's work takes longer than the work, by arithmetic alone: timing would make runs differ. */
export function launchesBound({ config, weights }: Pick<Model, 'config' | 'weights'>, rows: number): boolean {
  const parameters = Object.values(weights).reduce((sum, { size }) => sum + size, 0);
  return (6 * parameters * rows) / FLOPS[currentEngine().precision] < config.layers * LAYER_LAUNCH_SECONDS;
}
