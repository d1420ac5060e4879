import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { UserError } from './errors';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EISDIR: 'is a folder, not a file',
  ENOTDIR: 'a part of the path is a file, not a folder',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'disk quota exceeded',
  EFBIG: 'a file would be larger than is allowed here (ulimit -f, or the file system)',
  ENOTEMPTY: 'the folder is not empty',
  EBUSY: 'it is in use, or a mount point',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
};

/** Turns a file system error into one clear line that names the file; other errors pass through unchanged. */
export function fileError(error: unknown, action: string, path: string): Error {
  const code = (error as NodeJS.ErrnoException)?.code;
  if (code === undefined) return error instanceof Error ? error : new Error(String(error));
  return new UserError(`cannot ${action} ${path}: ${REASONS[code] ?? code}`);
}

/** The text of a UTF-8 file. @throws UserError naming the file */
export async function readText(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/** Parses a JSON file. @throws UserError naming the file and what is wrong */
export async function readJson(path: string): Promise<unknown> {
  return parseJson(await readText(path), path);
}

/** What is wrong with a JSON text, on one line: what JavaScript quotes of it may hold several. @param error what `JSON.parse` threw */
export function badJson(error: unknown): string {
  return `not valid JSON: ${(error as Error).message.replace(/\s+/g, ' ')}`;
}

/** Parses JSON. @param place the file that holds it, and its line where there are several @throws UserError naming the place and what is wrong */
export function parseJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${place}: ${badJson(error)}`);
  }
}

/** Writes beside the target, then renames: a reader or a full disk never leaves half a file. Makes parent folders. */
export async function writeAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, data);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(error, 'write', path);
  }
}

/**
 * Refuses a folder that cannot be made or written to, before hours are spent on what would go there.
 * @param option the flag that names it, for the message
 * @throws UserError
 */
export async function checkWritableFolder(folder: string, option: string): Promise<void> {
  let there = resolve(folder);
  let found = await stat(there).catch(() => undefined);
  while (!found && dirname(there) !== there) {
    there = dirname(there);
    found = await stat(there).catch(() => undefined);
  }
  if (found && !found.isDirectory())
    throw new UserError(
      `${option} ${folder} ${there === resolve(folder) ? 'is a file' : `cannot be a folder: ${there} is a file`}; give a folder`,
    );
  try {
    await access(there, constants.W_OK);
  } catch (error) {
    throw fileError(error, `write to ${option} ${folder}:`, there);
  }
}

/** A model's file, if a folder holds one at its top: overwriting there would take its config.json. */
export async function modelFileIn(folder: string): Promise<string | undefined> {
  const names: string[] = await readdir(folder).catch(() => []);
  return names.find((name) => /\.(safetensors|bin)(\.index\.json)?$|^adapter_config\.json$/.test(name));
}

/** sha256 of a list of strings and bytes, as hex. Parts are length-prefixed, so that no two lists collide. */
export function contentHash(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    hash.update(`${bytes.byteLength}:`).update(bytes);
  }
  return hash.digest('hex');
}

/** sha256 of a file, as hex. @throws UserError naming the file */
export async function fileHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  } catch (error) {
    throw fileError(error, 'read', path);
  }
  return hash.digest('hex');
}

/** Where caches live unless `--cache` says otherwise: `dpo-trainer` in the user's cache folder. */
export function defaultCacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'dpo-trainer');
}
