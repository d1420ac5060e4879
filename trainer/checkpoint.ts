import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { replaceFolder } from '../models/replaceFolder';
import { readSafetensors, writeSafetensors, type SafetensorsFile } from '../models/safetensors';
import { saveModel } from '../models/saveModel';
import type { Model } from '../models/types';
import { UserError } from '../util/errors';
import { fileError, readJson, writeAtomic } from '../util/files';
import type { Optimizer } from './optimizer';

const stateSchema = z.object({
  version: z.literal(1),
  step: z.int().min(1),
  /** Times over the training pairs so far. */
  epoch: z.number(),
  numTokens: z.int(),
  /** Metrics of the steps since the last line of the log. */
  window: z.array(z.array(z.number())),
  /** What the evaluations gave so far, where the best one is kept or decides when to stop, and a hash of the pairs that they were made on. */
  evaluations: z
    .object({ count: z.int(), best: z.object({ step: z.int().min(1), value: z.number() }).optional(), stale: z.int() })
    .optional(),
  evalHash: z.string().optional(),
  /** The seed; with the step it fixes every batch to come, so that no generator's state needs keeping. */
  seed: z.int(),
  /** Content hashes of the model that the run started from, and of the training pairs' token ids. */
  modelHash: z.string(),
  dataHash: z.string(),
  config: z.record(z.string(), z.unknown()),
});

/** state.json of a checkpoint. */
export type CheckpointState = z.output<typeof stateSchema>;

const manifestSchema = z.object({ version: z.literal(1), files: z.record(z.string(), z.int()) });

export interface Checkpoint {
  state: CheckpointState;
  /** A whole model folder in Hugging Face's layout: `dpo-eval --model` takes it. */
  modelFolder: string;
  /** Opens the optimizer's state; close it after reading. */
  optimizerState(): Promise<SafetensorsFile>;
}

/** What a killed run left: half a checkpoint, or one that was being replaced; the first form is of older versions. */
const TEMPORARY = /^(\.step-.*\.tmp|step-\d+\.[0-9a-f]{8}\.(tmp|old))$/;

/**
 * Writes `<output>/checkpoints/step-N/`: model/, optimizer.safetensors, state.json and, last, manifest.json with every file's size. It is
 * made in a temporary folder and renamed, so that a step-N folder is whole or absent.
 * @param shardBytes largest file of weights
 * @returns the folder
 * @throws UserError naming what could not be written; nothing half written stays
 */
export async function saveCheckpoint(
  output: string,
  state: CheckpointState,
  model: Model,
  optimizer: Optimizer,
  shardBytes?: number,
): Promise<string> {
  const target = checkpointFolder(output, state.step);
  await replaceFolder(target, existsSync(target), async (temporary) => {
    await mkdir(temporary, { recursive: true });
    await saveModel(model, join(temporary, 'model'), shardBytes);
    await writeSafetensors(join(temporary, 'optimizer.safetensors'), optimizer.state());
    await writeAtomic(join(temporary, 'state.json'), `${JSON.stringify(state, null, 2)}\n`);
    const files = await fileSizes(temporary);
    await writeAtomic(join(temporary, 'manifest.json'), `${JSON.stringify({ version: 1, files }, null, 2)}\n`);
  });
  return target;
}

/** Where a step's checkpoint lies. */
export function checkpointFolder(output: string, step: number): string {
  return join(output, 'checkpoints', `step-${step}`);
}

/**
 * Removes checkpoints until no more than `keep` are left, the latest and the best among them, as transformers' Trainer does it.
 * @param latest the step of the last one saved; what lies beyond is damaged, or the run would have gone on from there
 * @param best the step of the one that stays however old it is
 */
export async function rotateCheckpoints(output: string, keep: number, latest: number, best?: number): Promise<void> {
  const all = await checkpointSteps(join(output, 'checkpoints'));
  const steps = [...all.filter((step) => step <= latest), ...all.filter((step) => step > latest)];
  const kept = best === undefined || best === latest ? [latest] : [latest, best];
  const others = steps.filter((step) => !kept.includes(step));
  for (const step of others.slice(Math.max(0, keep - kept.length))) await removeCheckpoint(output, step);
}

/** Removes a step's checkpoint, if it is there. */
export async function removeCheckpoint(output: string, step: number): Promise<void> {
  await rm(checkpointFolder(output, step), { recursive: true, force: true });
}

/** The latest whole checkpoint of a run folder, if any. Temporary folders that a killed run left are removed. */
export async function lastCheckpoint(output: string): Promise<Checkpoint | undefined> {
  const folder = join(output, 'checkpoints');
  for (const name of await entriesOf(folder)) if (TEMPORARY.test(name)) await rm(join(folder, name), { recursive: true, force: true });
  for (const step of await checkpointSteps(folder)) {
    const place = join(folder, `step-${step}`);
    if (!(await isWhole(place))) continue;
    const file = join(place, 'state.json');
    const parsed = stateSchema.safeParse(await readJson(file));
    if (!parsed.success) throw new UserError(`${file}: ${z.prettifyError(parsed.error).replace(/\s*\n\s*/g, '; ')}`);
    return {
      state: parsed.data,
      modelFolder: join(place, 'model'),
      optimizerState: () => readSafetensors(join(place, 'optimizer.safetensors')),
    };
  }
  return undefined;
}

/** Steps of the checkpoints in a folder, the latest first. */
async function checkpointSteps(folder: string): Promise<number[]> {
  const names = await entriesOf(folder);
  return names
    .flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a);
}

/** Whether every file that the manifest lists is there in its size. */
export async function isWhole(place: string): Promise<boolean> {
  try {
    const { files } = manifestSchema.parse(await readJson(join(place, 'manifest.json')));
    const sizes = await fileSizes(place);
    return Object.entries(files).every(([name, size]) => sizes[name] === size);
  } catch {
    return false;
  }
}

async function fileSizes(folder: string): Promise<Record<string, number>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const sizes = await Promise.all(files.map(async (file) => [relative(folder, file), (await stat(file)).size] as const));
  return Object.fromEntries(sizes.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(error, 'read', folder);
  }
}
