import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../util/files';
import { readGenerations, writeGenerations } from './arrowFiles';
import { sampleKey } from './metrics/toxicity';
import type { Generation } from './types';

/** Finished batches of a generation that is under way: `parts/N.arrow` of the output folder, each in generations.arrow's format. */
export interface GenerationParts {
  /** What earlier runs finished. */
  finished: readonly Generation[];
  has(key: Pick<Generation, 'language' | 'promptIndex' | 'sampleIndex'>): boolean;
  add(batch: readonly Generation[]): Promise<void>;
  remove(): Promise<void>;
}

/** Opens the parts that an output folder holds, if any. @throws UserError for a damaged part */
export async function openParts(outputFolder: string): Promise<GenerationParts> {
  const folder = join(outputFolder, 'parts');
  const numbers = (await listed(folder)).flatMap((name) => /^(\d+)\.arrow$/.exec(name)?.[1] ?? []).map(Number);
  const finished: Generation[] = [];
  for (const number of numbers.sort((a, b) => a - b)) finished.push(...(await readGenerations(join(folder, `${number}.arrow`))));
  const keys = new Set(finished.map(sampleKey));
  let next = Math.max(-1, ...numbers) + 1;
  return {
    finished,
    has: (key) => keys.has(sampleKey(key)),
    add: (batch) => writeGenerations(join(folder, `${next++}.arrow`), batch),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function listed(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(error, 'read', folder);
  }
}
