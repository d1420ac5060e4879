import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { packPairs } from '../datasets/pack';
import type { TokenizedPair } from '../datasets/types';
import { currentEngine } from '../engine/engine';
import { namedMetrics } from '../losses/metrics';
import { UserError } from '../util/errors';
import type { Progress } from '../util/progress';
import type { BatchPlan } from './batchPlan';
import type { MetricsLine } from './metricsLog';
import { scheduleFactor } from './schedule';
import { trainStep, type StepContext, type StepResult } from './trainStep';

/** Where a run stands: all that it needs beside weights, optimizer state and config to go on. */
export interface TrainState {
  /** Updates made. */
  step: number;
  /** Tokens trained on; a pair's prompt counts twice, as TRL counts it. */
  numTokens: number;
  /** `pairMetrics` of the steps since the last line of the log. */
  window: number[][];
}

export interface TrainRun extends StepContext {
  pairs: readonly TokenizedPair[];
  plan: BatchPlan;
  log: (line: MetricsLine) => void;
  /** Figures over the evaluation pairs; absent without such pairs. */
  evaluate?: (() => Promise<Record<string, number>>) | undefined;
  save: (state: TrainState) => Promise<void>;
  shouldStop: () => boolean;
  progress: Progress;
}

/** Trains from `start` to the plan's last step, or until told to stop, which it does at a step's end. @returns where the run stands */
export async function train(run: TrainRun, start: TrainState): Promise<TrainState> {
  const { config, plan, pairs } = run;
  const pending: StepResult[] = [];
  let { step, numTokens, window } = start;
  let shown: Record<string, number> = {};
  let gradNorm = NaN;
  const spent = { pairs: 0, ms: 0 };
  /** Reads what the steps left on the device. @throws UserError for the first whose gradients were not finite; it changed nothing */
  const readPending = async (): Promise<void> => {
    const began = performance.now();
    const results = pending.splice(0);
    try {
      for (const [i, { metrics, norm }] of results.entries()) {
        [gradNorm] = await norm.data<'float32'>();
        if (!Number.isFinite(gradNorm)) {
          const broken = step - results.length + 1 + i;
          throw new UserError(
            `training broke down at step ${broken}: the gradients' norm is ${gradNorm}; a lower --learning-rate may help`,
          );
        }
        window = [...window, [...(await metrics.data<'float32'>())]];
      }
    } finally {
      results.forEach(({ metrics, norm }) => tf.dispose([metrics, norm]));
    }
    spent.ms += performance.now() - began;
  };
  // on a GPU reading a value waits for all that is queued: between log lines nothing is read there
  const queued = currentEngine().device.startsWith('cuda');
  run.progress({ stage: 'training', done: step, total: plan.totalSteps });
  while (step < plan.totalSteps && !run.shouldStop()) {
    const indices = plan.batch(step);
    const learningRate = config.learningRate * scheduleFactor(config.schedule, step, config.warmupSteps, plan.totalSteps);
    const began = performance.now();
    pending.push(trainStep(run, packPairs(indices.map((i) => pairs[i])), indices, learningRate, step + 1));
    step++;
    for (const i of indices) numTokens += 2 * pairs[i].prompt.length + pairs[i].chosen.length + pairs[i].rejected.length;
    spent.pairs += indices.length;
    spent.ms += performance.now() - began;
    const last = step === plan.totalSteps;
    const due = (every: number): boolean => every > 0 && step % every === 0;
    const [logs, evaluates, saves] = [
      due(config.logEverySteps) || last,
      run.evaluate && (due(config.evalEverySteps) || last),
      due(config.saveEverySteps) && !last,
    ];
    if (!queued || logs || evaluates || saves) await readPending();
    if (logs) {
      const { loss, ...figures } = namedMetrics(window);
      const epoch = step / plan.stepsPerEpoch;
      run.log({ step, epoch, loss, learning_rate: learningRate, grad_norm: gradNorm, ...figures, num_tokens: numTokens });
      shown = { loss, accuracy: figures['rewards/accuracies'], margin: figures['rewards/margins'] };
      window = [];
    }
    if (evaluates) run.log({ step, ...(await run.evaluate!()) });
    if (saves) await run.save({ step, numTokens, window });
    const pace = (spent.pairs * 1000) / spent.ms;
    run.progress({ stage: 'training', done: step, total: plan.totalSteps, fields: { ...shown, 'pairs/s': pace } });
    // signals are heard between turns of the event loop alone
    await setImmediate();
  }
  await readPending();
  return { step, numTokens, window };
}
