import type { Engine } from '../engine/engine';
import type { Model } from '../models/types';

/** What a batch of continuations may hold. */
export interface BatchLimits {
  /** Continuations at once. */
  rows: number;
  /** Numbers in the caches of keys and values. */
  cacheNumbers: number;
}

/** A CPU gains nothing from more rows: its matrix products are at full speed. */
const CPU_LIMITS: BatchLimits = { rows: 256, cacheNumbers: 2 ** 29 };
/** A GPU decodes at full speed long before. */
const MOST_ROWS = 4096;

/**
 * How much is generated at once. Where the engine counts its memory (GPUs): half of what is free, rounded down to a power of two, so that
 * a little more or less free memory does not change the batches, and with them the rounding, between two runs. Caches take half of that,
 * since the rows that stay are copied when others leave.
 * @param rows continuations at once where the user says so
 */
export function batchLimits(
  engine: Pick<Engine, 'precision' | 'freeMemory'>,
  { layers, keyValueHeads, headWidth }: Pick<Model['config'], 'layers' | 'keyValueHeads' | 'headWidth'>,
  maxNewTokens: number,
  rows?: number,
): BatchLimits {
  if (!engine.freeMemory) return { ...CPU_LIMITS, ...(rows !== undefined && { rows }) };
  const bytes = 2 ** Math.floor(Math.log2(Math.max(1, engine.freeMemory() / 2)));
  const cacheNumbers = Math.floor(bytes / 2 / (engine.precision === 'bf16' ? 2 : 4));
  const ofRow = layers * 2 * keyValueHeads * headWidth * maxNewTokens;
  // the other half is for the prompts that the rows share
  return { rows: rows ?? Math.max(1, Math.min(MOST_ROWS, Math.floor(cacheNumbers / 2 / ofRow))), cacheNumbers };
}
