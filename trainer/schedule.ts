/** What a run does with its learning rate after the warmup. */
export type ScheduleName = 'constant' | 'linear' | 'cosine';

/** Steps of the warmup: as given, or a share of all steps, rounded up as transformers rounds it. */
export function warmupLength(options: { warmupSteps: number; warmupRatio: number }, totalSteps: number): number {
  return options.warmupRatio > 0 ? Math.ceil(options.warmupRatio * totalSteps) : options.warmupSteps;
}

/**
 * The factor on the learning rate for the update after `step` updates: rises linearly from 0 over the warmup, then stays 1 or falls to 0
 * at `totalSteps`, linearly or by half a cosine. Equal to transformers' `get_constant_schedule_with_warmup`,
 * `get_linear_schedule_with_warmup` and `get_cosine_schedule_with_warmup`: with a warmup the very first update has rate 0.
 */
export function scheduleFactor(schedule: ScheduleName, step: number, warmupSteps: number, totalSteps: number): number {
  if (step < warmupSteps) return step / warmupSteps;
  if (schedule === 'constant') return 1;
  const span = Math.max(1, totalSteps - warmupSteps);
  if (schedule === 'linear') return Math.max(0, (totalSteps - step) / span);
  return Math.max(0, 0.5 * (1 + Math.cos((Math.PI * (step - warmupSteps)) / span)));
}
