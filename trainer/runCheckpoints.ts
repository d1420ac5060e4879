import { constants } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { saveModel } from '../models/saveModel';
import type { Model } from '../models/types';
import { byteCount } from '../util/byteCount';
import type { EvaluationHistory } from './bestModel';
import { checkpointFolder, isWhole, removeCheckpoint, rotateCheckpoints, saveCheckpoint, type CheckpointState } from './checkpoint';
import type { Optimizer } from './optimizer';
import type { RunConfig } from './runConfig';
import { saveFinalModel } from './runFolder';
import type { TrainState } from './train';

/** What a run's checkpoints hold beside its state. */
export type CheckpointOrigin = Omit<CheckpointState, 'version' | 'epoch' | keyof TrainState>;

export interface RunCheckpoints {
  /** Saves one, unless that of this step was the last saved; of the older ones go those that are not to be kept. */
  save(state: TrainState, epoch: number): Promise<void>;
  /** The last one saved. */
  latest(): string | undefined;
  /** Writes `<output>/model`: the best evaluation's weights where they are asked for and there is one, else the last step's. @returns the folder */
  saveModel(end: TrainState): Promise<string>;
}

/**
 * The checkpoints of a run. Where the best model is kept, each evaluation that is better than all before it has one; when the next such
 * comes it goes, unless it lies at a step that is saved anyway.
 * @param start where the run stands
 */
export function runCheckpoints(
  config: RunConfig,
  origin: CheckpointOrigin,
  model: Model,
  optimizer: Optimizer,
  start: TrainState,
): RunCheckpoints {
  const { output, keepCheckpoints, saveEverySteps } = config;
  const shardBytes = byteCount(config.maxShardSize);
  const bestOf = ({ evaluations }: TrainState): number | undefined => (config.loadBestModelAtEnd ? evaluations?.best?.step : undefined);
  let best = bestOf(start);
  let saved: number | undefined;
  return {
    async save(state, epoch) {
      if (saved === state.step) return;
      await saveCheckpoint(output, { version: 1, ...state, epoch, ...origin }, model, optimizer, shardBytes);
      saved = state.step;
      const before = best;
      best = bestOf(state);
      const isDue = (step: number): boolean => saveEverySteps > 0 && step % saveEverySteps === 0;
      if (before !== undefined && before !== best && !isDue(before)) await removeCheckpoint(output, before);
      if (keepCheckpoints !== undefined) await rotateCheckpoints(output, keepCheckpoints, state.step, best);
    },
    latest: () => (saved === undefined ? undefined : checkpointFolder(output, saved)),
    saveModel(end) {
      const step = bestOf(end);
      if (step === undefined || step === end.step) return saveFinalModel(output, (folder) => saveModel(model, folder, shardBytes));
      const from = join(checkpointFolder(output, step), 'model');
      // shares the bytes where the file system can
      return saveFinalModel(output, (folder) => cp(from, folder, { recursive: true, mode: constants.COPYFILE_FICLONE }));
    },
  };
}

/** What a run's evaluations gave so far: without the best one where its weights are asked for and its checkpoint is gone, which a line says. */
export async function evaluationsSoFar(
  { loadBestModelAtEnd, output }: RunConfig,
  evaluations: EvaluationHistory | undefined,
  say: (line: string) => void,
): Promise<EvaluationHistory | undefined> {
  if (!loadBestModelAtEnd || !evaluations?.best) return evaluations;
  const folder = checkpointFolder(output, evaluations.best.step);
  if (await isWhole(folder)) return evaluations;
  say(`${folder}, the best checkpoint so far, is gone or damaged: its evaluation does not count any more`);
  return { ...evaluations, best: undefined };
}
