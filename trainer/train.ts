import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { TokenizedPair } from '../datasets/types';
import { currentEngine } from '../engine/engine';
import { namedMetrics } from '../losses/metrics';
import { UserError } from '../util/errors';
import type { Progress } from '../util/progress';
import type { BatchPlan } from './batchPlan';
import { afterEvaluation, bestFigures, bestModelRule, isExhausted, type EvaluationHistory } from './bestModel';
import type { MetricsLine } from './metricsLog';
import { scheduleFactor, warmupLength } from './schedule';
import { stepBatch, type StepBatch } from './stepInputs';
import { trainStep, type StepContext, type StepResult } from './trainStep';

/** Where a run stands: all that it needs beside weights, optimizer state and config to go on. */
export interface TrainState {
  /** Updates made. */
  step: number;
  /** Tokens trained on; a pair's prompt counts twice, as TRL counts it. */
  numTokens: number;
  /** `pairMetrics` of the steps since the last line of the log. */
  window: number[][];
  /** What the evaluations gave so far, where the best one is kept or decides when to stop. */
  evaluations?: EvaluationHistory | undefined;
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

/** Trains from `start` to the plan's last step, or until its patience ends or it is told to stop, which it does at a step's end. @returns where the run stands */
export async function train(run: TrainRun, start: TrainState): Promise<TrainState> {
  const { config, plan, pairs } = run;
  const pending: StepResult[] = [];
  let { step, numTokens, window } = start;
  const rule = bestModelRule(config);
  let evaluations = rule && (start.evaluations ?? { count: 0, stale: 0 });
  let shown: Record<string, number> = {};
  let evalLoss: Record<string, number> = {};
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
  const engine = currentEngine();
  const queued = engine.device.startsWith('cuda');
  const warmup = warmupLength(config, plan.totalSteps);
  const prepare = (place: number): StepBatch[] =>
    plan.batches(place).map((indices) => stepBatch(pairs, indices, config.ldAlpha !== undefined));
  const state = (): TrainState => ({ step, numTokens, window, ...(evaluations && { evaluations }) });
  let next: StepBatch[] | undefined;
  run.progress({ stage: 'training', done: step, total: plan.totalSteps });
  while (step < plan.totalSteps && !isExhausted(evaluations, rule) && !run.shouldStop()) {
    const learningRate = config.learningRate * scheduleFactor(config.schedule, step, warmup, plan.totalSteps);
    const began = performance.now();
    const batches = next ?? prepare(step);
    pending.push(trainStep(run, batches, learningRate, step + 1));
    step++;
    // while a GPU works off what was queued
    next = step < plan.totalSteps ? prepare(step) : undefined;
    for (const i of batches.flatMap(({ indices }) => indices)) {
      numTokens += 2 * pairs[i].prompt.length + pairs[i].chosen.length + pairs[i].rejected.length;
      spent.pairs++;
    }
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
      run.log({
        step,
        epoch: plan.epochAfter(step),
        loss,
        learning_rate: learningRate,
        grad_norm: gradNorm,
        ...figures,
        num_tokens: numTokens,
        // of the device, since the last such line
        ...(engine.peakMemory && { 'memory/peak_gib': engine.peakMemory() / 2 ** 30 }),
      });
      shown = { loss, accuracy: figures['rewards/accuracies'], margin: figures['rewards/margins'] };
      window = [];
    }
    if (evaluates) {
      const figures = await run.evaluate!();
      evalLoss = { 'eval loss': figures.eval_loss };
      if (evaluations && rule) evaluations = afterEvaluation(evaluations, step, figures[rule.metric], rule);
      run.log({ step, ...figures, ...bestFigures(evaluations) });
    }
    const isBest = config.loadBestModelAtEnd && evaluations?.best?.step === step;
    if (saves || isBest) await run.save(state());
    const pace = (spent.pairs * 1000) / spent.ms;
    run.progress({ stage: 'training', done: step, total: plan.totalSteps, fields: { ...shown, ...evalLoss, 'pairs/s': pace } });
    // signals are heard between turns of the event loop alone
    await setImmediate();
  }
  await readPending();
  return state();
}
