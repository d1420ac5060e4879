import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../util/errors';
import { readJson } from '../util/files';
import { readTorchFile } from './pickle/readTorchFile';
import { readSafetensors } from './safetensors';
import type { TensorFile } from './tensorFile';

/** A model folder's tensors, in one file or several. */
export interface Checkpoint {
  /** The weight files, for hashing. */
  paths: readonly string[];
  /** Which open file holds each tensor. */
  fileOf: ReadonlyMap<string, TensorFile>;
  close(): Promise<void>;
}

/** How weights may be stored, the preferred way first: a file or, with `.index.json` behind its name, an index of shards. */
const FORMATS = [
  { whole: 'model.safetensors', shard: '.safetensors', read: readSafetensors },
  { whole: 'pytorch_model.bin', shard: '.bin', read: readTorchFile },
] as const;

/**
 * Opens `model.safetensors`, or the shards that `model.safetensors.index.json` lists; else `pytorch_model.bin` or its shards.
 * @throws UserError naming the folder or the file
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const { paths, read, weightMap } = await checkpointPaths(folder);
  const files: TensorFile[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(files.map((file) => file.close()));
  };
  try {
    const fileOf = new Map<string, TensorFile>();
    for (const path of paths) {
      const file = await read(path);
      files.push(file);
      for (const name of file.entries.keys()) {
        const other = fileOf.get(name);
        if (other) throw new UserError(`${path}: tensor ${name} is also in ${other.path}`);
        fileOf.set(name, file);
      }
    }
    for (const [name, shard] of weightMap?.shards ?? []) {
      const path = join(folder, shard);
      if (fileOf.get(name)?.path !== path)
        throw new UserError(`${weightMap!.index}: says that ${shard} holds the tensor ${name}, which it does not`);
    }
    return { paths, fileOf, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface CheckpointPaths {
  paths: string[];
  read: (path: string) => Promise<TensorFile>;
  /** An index's file of each tensor. */
  weightMap?: { index: string; shards: [string, string][] };
}

async function checkpointPaths(folder: string): Promise<CheckpointPaths> {
  for (const { whole, shard, read } of FORMATS) {
    const path = join(folder, whole);
    if (existsSync(path)) return { paths: [path], read };
    const index = `${path}.index.json`;
    if (!existsSync(index)) continue;
    const shards = await shardsOf(folder, index, shard);
    const names = [...new Set(shards.map(([, name]) => name))].sort();
    return { paths: names.map((name) => join(folder, name)), read, weightMap: { index, shards } };
  }
  const allowed = FORMATS.map(({ whole }) => `${whole}, ${whole}.index.json`).join(', ');
  throw new UserError(`${folder}: holds no weights; it must hold one of ${allowed}`);
}

/** An index's tensors and the file beside it that holds each. */
async function shardsOf(folder: string, index: string, ending: string): Promise<[string, string][]> {
  const json = (await readJson(index)) as { weight_map?: unknown } | null;
  const map = json?.weight_map;
  const shards = typeof map === 'object' && map !== null ? Object.entries(map) : [];
  if (shards.length === 0) throw new UserError(`${index}: weight_map is missing or empty; it must name a file for every tensor`);
  for (const name of new Set(shards.map(([, shard]) => shard))) {
    // a shard lies beside its index, nowhere else
    if (typeof name !== 'string' || !/^[^/\\]+$/.test(name) || !name.endsWith(ending))
      throw new UserError(`${index}: weight_map names ${JSON.stringify(name)}; it must be a ${ending} file in the same folder`);
    if (!existsSync(join(folder, name))) throw new UserError(`${index}: names ${name}, which is not in the folder`);
  }
  return shards;
}
