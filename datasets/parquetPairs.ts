import { readFile } from 'node:fs/promises';
import { tableFromIPC } from 'apache-arrow';
import { UserError } from '../util/errors';
import { fileError } from '../util/files';
import { checkPair, READ_FIELDS } from './checkPair';
import type { ReadPair } from './types';

/**
 * Pairs from a Parquet file with the columns prompt, chosen and rejected, texts or lists of messages; other columns are not read. Decoded by parquet-wasm,
 * which knows every codec that `datasets` writes.
 * @throws UserError naming the file, and the row (from 1) of a bad pair
 */
export async function parquetPairs(path: string): Promise<ReadPair[]> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError(error, 'read', path);
  });
  // loaded only where there is such a file: 6 MB of WebAssembly
  const { readParquet } = await import('parquet-wasm');
  let rows;
  try {
    rows = tableFromIPC(readParquet(bytes).intoIPCStream());
  } catch (error) {
    throw new UserError(`${path}: cannot be read as Parquet: ${error instanceof Error ? error.message : String(error)}`);
  }
  const wanted = rows.schema.fields.map(({ name }) => name).filter((name) => READ_FIELDS.includes(name));
  if (wanted.length === 0) {
    const found = rows.schema.fields.map(({ name }) => name).join(', ');
    throw new UserError(`${path}: no columns prompt, chosen, rejected (found: ${found})`);
  }
  const columns = wanted.map((name) => rows.getChild(name)!);
  return Array.from({ length: rows.numRows }, (_, row) =>
    checkPair(Object.fromEntries(columns.map((column, i) => [wanted[i], plain(column.get(row))])), `${path}: row ${row + 1}`),
  );
}

/** Arrow's lists and structs as arrays and objects. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Symbol.iterator in value && !('toJSON' in value && !('toArray' in value))) return Array.from(value as Iterable<unknown>, plain);
  const fields = 'toJSON' in value ? (value as { toJSON(): Record<string, unknown> }).toJSON() : (value as Record<string, unknown>);
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, plain(field)]));
}
