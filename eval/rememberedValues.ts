import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, writeAtomic } from '../util/files';

/**
 * Values that cost a model's forward passes, kept in `<cache>/scores/<key>.json`; computed where they are not there or the file is damaged.
 * @param key names everything that the values depend on
 */
export async function rememberedValues(
  cacheFolder: string,
  key: string,
  count: number,
  compute: () => Promise<(number | null)[]>,
): Promise<(number | null)[]> {
  const file = join(cacheFolder, 'scores', `${key}.json`);
  if (existsSync(file)) {
    const known: unknown = await readJson(file).catch(() => undefined);
    if (isValues(known, count)) return known;
  }
  const values = (await compute()).map((value) => (value === null || Number.isFinite(value) ? value : null));
  await writeAtomic(file, JSON.stringify(values));
  return values;
}

function isValues(known: unknown, count: number): known is (number | null)[] {
  return Array.isArray(known) && known.length === count && known.every((value) => value === null || typeof value === 'number');
}
