import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow';
import { pairLogProbs } from '../datasets/pairLogProbs';
import { pairsHash } from '../datasets/pairsHash';
import type { TokenizedPair } from '../datasets/types';
import { currentEngine } from '../engine/engine';
import type { Model } from '../models/types';
import { contentHash, writeAtomic } from '../util/files';
import { silent, type Progress } from '../util/progress';

/** log p_ref of both completions of every pair, [pairs] each; NaN for a pair that was not asked for. */
export interface ReferenceLogProbs {
  chosen: Float32Array;
  rejected: Float32Array;
}

export interface ReferenceOptions {
  cacheFolder: string;
  batchSize: number;
  /** As `pairLogProbs` has it. */
  tailWeight?: number | undefined;
  /** Asked between pieces of work; what is done so far is then in the cache. */
  shouldStop?: () => boolean;
}

const VERSION = 'reference-1';
/** Batches between two writes of the cache: what an interruption can lose. */
const BATCHES_A_PIECE = 16;

/**
 * The log-probabilities under the model as it is, before it is trained: the reference of DPO, computed once. They are kept as an Arrow
 * file under a hash of the model, the pairs' token ids, the precision and the engine; later runs compute only what it lacks.
 * Pairs are computed in the order of `needed`; the same pairs in other batches differ by rounding.
 * @param needed indices of pairs, none twice
 * @returns `undefined` when told to stop
 * @throws UserError where the cache cannot be written
 */
export async function referenceLogProbs(
  model: Model,
  pairs: readonly TokenizedPair[],
  needed: readonly number[],
  { cacheFolder, batchSize, tailWeight, shouldStop = () => false }: ReferenceOptions,
  progress: Progress = silent,
): Promise<ReferenceLogProbs | undefined> {
  const path = join(cacheFolder, 'reference', `${cacheKey(model, pairs, tailWeight)}.arrow`);
  const values = await readCache(path, pairs.length);
  const missing = needed.filter((pair) => Number.isNaN(values.chosen[pair]) || Number.isNaN(values.rejected[pair]));
  const piece = BATCHES_A_PIECE * batchSize;
  const stage = 'reference log-probabilities';
  for (let start = 0; start < missing.length; start += piece) {
    if (shouldStop()) return undefined;
    const indices = missing.slice(start, start + piece);
    const computed = await pairLogProbs(
      model,
      indices.map((pair) => pairs[pair]),
      batchSize,
      ({ done }) => progress({ stage, done: start + done, total: missing.length }),
      stage,
      { tailWeight },
    );
    indices.forEach((pair, i) => {
      values.chosen[pair] = computed.chosen[i];
      values.rejected[pair] = computed.rejected[i];
    });
    await writeCache(path, values);
  }
  return values;
}

function cacheKey(model: Model, pairs: readonly TokenizedPair[], tailWeight: number | undefined): string {
  const { name, device, precision } = currentEngine();
  return contentHash(
    VERSION,
    model.contentHash,
    pairsHash(pairs),
    name,
    device.replace(/:\d+$/, ''),
    precision,
    ...(tailWeight === undefined ? [] : [`tails ${tailWeight}`]),
  );
}

async function writeCache(path: string, values: ReferenceLogProbs): Promise<void> {
  const known = [...values.chosen.keys()].filter((pair) => !Number.isNaN(values.chosen[pair]));
  const table = tableFromArrays({
    pair: Int32Array.from(known),
    chosen: Float32Array.from(known, (pair) => values.chosen[pair]),
    rejected: Float32Array.from(known, (pair) => values.rejected[pair]),
  });
  await writeAtomic(path, tableToIPC(table, 'file'));
}

/** A cache that is absent or damaged is empty: it can always be computed again. */
async function readCache(path: string, count: number): Promise<ReferenceLogProbs> {
  const values = { chosen: new Float32Array(count).fill(NaN), rejected: new Float32Array(count).fill(NaN) };
  try {
    const table = tableFromIPC(await readFile(path));
    const column = (name: string): ArrayLike<number> => table.getChild(name)!.toArray() as ArrayLike<number>;
    const [pair, chosen, rejected] = [column('pair'), column('chosen'), column('rejected')];
    for (let i = 0; i < pair.length; i++) {
      values.chosen[pair[i]] = chosen[i];
      values.rejected[pair[i]] = rejected[i];
    }
  } catch {
    return { chosen: new Float32Array(count).fill(NaN), rejected: new Float32Array(count).fill(NaN) };
  }
  return values;
}
