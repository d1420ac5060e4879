import { batchOrder } from '../datasets/batches';

/** Which pairs each step of a run trains on: a function of seed and step alone, so that a resumed run needs no more than its step. */
export interface BatchPlan {
  totalSteps: number;
  stepsPerEpoch: number;
  /**
   * The batches of a step, counted from 0, whose gradients are averaged for its update: pairs by index. The last batch of an epoch may
   * be smaller, and its last step may have fewer batches; every batch of a step weighs the same, as in transformers' Trainer.
   */
  batches(step: number): number[][];
  /** Times over the training pairs after so many steps. */
  epochAfter(steps: number): number;
}

export interface BatchPlanOptions {
  batchSize: number;
  gradientAccumulationSteps: number;
  epochs: number;
  maxSteps?: number | undefined;
  seed: number;
}

/** Every epoch goes over the pairs once, in an order of its own. */
export function batchPlan(pairs: number, options: BatchPlanOptions): BatchPlan {
  const { batchSize, gradientAccumulationSteps: accumulated, seed } = options;
  const batchesPerEpoch = Math.ceil(pairs / batchSize);
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / accumulated);
  let current: { epoch: number; batches: number[][] } | undefined;
  return {
    totalSteps: options.maxSteps ?? options.epochs * stepsPerEpoch,
    stepsPerEpoch,
    batches(step) {
      const epoch = Math.floor(step / stepsPerEpoch);
      if (current?.epoch !== epoch) current = { epoch, batches: batchOrder(pairs, batchSize, seed, epoch) };
      const first = (step % stepsPerEpoch) * accumulated;
      return current.batches.slice(first, first + accumulated);
    },
    epochAfter: (steps) => Math.floor(steps / stepsPerEpoch) + ((steps % stepsPerEpoch) * accumulated) / batchesPerEpoch,
  };
}

/** The pairs that a run uses, each once, in the order of their first use. */
export function pairsInUse(plan: BatchPlan): number[] {
  // from the second epoch on there is nothing new
  const steps = Math.min(plan.totalSteps, plan.stepsPerEpoch);
  return Array.from({ length: steps }, (_, step) => plan.batches(step)).flat(2);
}
