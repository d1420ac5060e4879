/** What a run does with its learning rate after the warmup. */
export type ScheduleName = 'constant' | 'linear';

/**
 * The factor on the learning rate for the update after `step` updates: rises linearly from 0 over the warmup, then stays 1 or falls
 * linearly to 0 at `totalSteps`. Equal to transformers' `get_constant_schedule_with_warmup` and `get_linear_schedule_with_warmup`:
 * with a warmup the very first update has rate 0.
 */
export function scheduleFactor(schedule: ScheduleName, step: number, warmupSteps: number, totalSteps: number): number {
  if (step < warmupSteps) return step / warmupSteps;
  if (schedule === 'constant') return 1;
  return Math.max(0, (totalSteps - step) / Math.max(1, totalSteps - warmupSteps));
}
