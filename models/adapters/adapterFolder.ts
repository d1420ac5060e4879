import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UserError } from '../../util/errors';
import { contentHash, readText } from '../../util/files';
import { rememberedHash } from '../rememberedHash';
import { CONFIG_FILE, WEIGHTS_FILE, readAdapterConfig } from './adapterConfig';

const knownBases = new Map<string, string>();

/** Whether a folder holds an adapter and no model of its own. */
export function isAdapterFolder(folder: string): boolean {
  return existsSync(join(folder, CONFIG_FILE)) && !existsSync(join(folder, 'config.json'));
}

/** Says where an adapter's base model is, in place of what its adapter_config.json says: another place, or one in the hub's cache. */
export function setAdapterBase(folder: string, base: string): void {
  knownBases.set(resolve(folder), base);
}

/**
 * The folder with config, weights and tokenizer of a model: an adapter's base model, any other folder itself.
 * @throws UserError where the adapter names no base, or one that is not there
 */
export async function baseFolder(folder: string): Promise<string> {
  if (!isAdapterFolder(folder)) return folder;
  const known = knownBases.get(resolve(folder));
  if (known !== undefined) return known;
  const base = await baseOf(folder);
  if (!existsSync(base))
    throw new UserError(`${join(folder, CONFIG_FILE)}: base_model_name_or_path is ${JSON.stringify(base)}, which is not there`);
  return base;
}

/** The base model that an adapter names, a folder or one on the hub. @throws UserError where it names none */
export async function baseOf(folder: string): Promise<string> {
  const file = join(folder, CONFIG_FILE);
  const { base } = await readAdapterConfig(file);
  if (base === null) throw new UserError(`${file}: base_model_name_or_path is missing; it must name the model that the adapter is for`);
  return base;
}

/** How adapter_config.json names a base model: a folder whole, whatever folder the adapter is opened from; a model on the hub as it is. */
export function baseName(source: string): string {
  return existsSync(source) ? resolve(source) : source;
}

/** What identifies a model with an adapter. @param base the base model's `contentHash` */
export async function adapterHash(folder: string, base: string, cacheFolder: string): Promise<string> {
  const config = await readText(join(folder, CONFIG_FILE));
  return contentHash('adapter', base, config, await rememberedHash(join(folder, WEIGHTS_FILE), cacheFolder));
}
