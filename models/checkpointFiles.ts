import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../util/errors';
import { readJson } from '../util/files';
import { readSafetensors, type SafetensorsFile } from './safetensors';

/** A model folder's tensors, in one file or several. */
export interface Checkpoint {
  /** The safetensors files, for hashing. */
  paths: readonly string[];
  /** Which open file holds each tensor. */
  fileOf: ReadonlyMap<string, SafetensorsFile>;
  close(): Promise<void>;
}

/**
 * Opens `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
 * @throws UserError naming the folder or the file
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const paths = await checkpointPaths(folder);
  const files: SafetensorsFile[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(files.map((file) => file.close()));
  };
  try {
    const fileOf = new Map<string, SafetensorsFile>();
    for (const path of paths) {
      const file = await readSafetensors(path);
      files.push(file);
      for (const name of file.entries.keys()) {
        const other = fileOf.get(name);
        if (other) throw new UserError(`${path}: tensor ${name} is also in ${other.path}`);
        fileOf.set(name, file);
      }
    }
    return { paths, fileOf, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function checkpointPaths(folder: string): Promise<string[]> {
  const whole = join(folder, 'model.safetensors');
  if (existsSync(whole)) return [whole];
  const index = `${whole}.index.json`;
  if (existsSync(index)) return shardPaths(folder, index);
  const pickled = ['pytorch_model.bin', 'pytorch_model.bin.index.json'].find((name) => existsSync(join(folder, name)));
  if (pickled) throw new UserError(`${folder}: holds ${pickled} but no model.safetensors; save the model as safetensors first`);
  throw new UserError(`${folder}: holds neither model.safetensors nor model.safetensors.index.json`);
}

async function shardPaths(folder: string, index: string): Promise<string[]> {
  const json = (await readJson(index)) as { weight_map?: unknown } | null;
  const map = json?.weight_map;
  const names = typeof map === 'object' && map !== null ? [...new Set(Object.values(map))] : [];
  if (names.length === 0) throw new UserError(`${index}: weight_map is missing or empty; it must name a file for every tensor`);
  return names.sort().map((name) => {
    // a shard lies beside its index, nowhere else
    if (typeof name !== 'string' || !/^[^/\\]+\.safetensors$/.test(name)) {
      throw new UserError(`${index}: weight_map names ${JSON.stringify(name)}; it must be a .safetensors file in the same folder`);
    }
    const path = join(folder, name);
    if (!existsSync(path)) throw new UserError(`${index}: names ${name}, which is not in the folder`);
    return path;
  });
}
