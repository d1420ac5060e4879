import { readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { contentHash, fileError, fileHash, writeAtomic } from '../util/files';

/** A file changed this recently may change again within its timestamp's resolution: its hash is not remembered. */
const SETTLED_MS = 2000;

/**
 * sha256 of a large file, remembered in the cache folder under its real path, size and modification time.
 * A cache that cannot be written costs time and nothing else.
 * @throws UserError where the file cannot be read
 */
export async function rememberedHash(path: string, cacheFolder: string): Promise<string> {
  let memo: string;
  let settled: boolean;
  try {
    const info = await stat(path, { bigint: true });
    const key = contentHash(await realpath(path), String(info.size), String(info.mtimeNs));
    memo = join(cacheFolder, 'file-hashes', key);
    settled = Date.now() - Number(info.mtimeMs) > SETTLED_MS;
  } catch (error) {
    throw fileError(error, 'read', path);
  }
  const known = await readFile(memo, 'utf8').catch(() => '');
  if (/^[0-9a-f]{64}$/.test(known)) return known;
  const hash = await fileHash(path);
  if (settled) await writeAtomic(memo, hash).catch(() => {});
  return hash;
}
