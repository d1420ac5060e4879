import { batchOrder } from '../datasets/batches';

/** Which pairs each step of a run trains on: a function of seed and step alone, so that a resumed run needs no more than its step. */
export interface BatchPlan {
  totalSteps: number;
  stepsPerEpoch: number;
  /** The pairs of a step, counted from 0, by index. The last step of an epoch may have fewer. */
  batch(step: number): number[];
}

export interface BatchPlanOptions {
  batchSize: number;
  epochs: number;
  maxSteps?: number | undefined;
  seed: number;
}

/** Every epoch goes over the pairs once, in an order of its own. */
export function batchPlan(pairs: number, options: BatchPlanOptions): BatchPlan {
  const { batchSize, seed } = options;
  const stepsPerEpoch = Math.ceil(pairs / batchSize);
  let current: { epoch: number; batches: number[][] } | undefined;
  return {
    totalSteps: options.maxSteps ?? options.epochs * stepsPerEpoch,
    stepsPerEpoch,
    batch(step) {
      const epoch = Math.floor(step / stepsPerEpoch);
      if (current?.epoch !== epoch) current = { epoch, batches: batchOrder(pairs, batchSize, seed, epoch) };
      return current.batches[step % stepsPerEpoch];
    },
  };
}

/** The pairs that a run uses, each once, in the order of their first use. */
export function pairsInUse(plan: BatchPlan): number[] {
  // from the second epoch on there is nothing new
  const steps = Math.min(plan.totalSteps, plan.stepsPerEpoch);
  return Array.from({ length: steps }, (_, step) => plan.batch(step)).flat();
}
