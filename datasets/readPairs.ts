import { extname } from 'node:path';
import { UserError } from '../util/errors';
import { readText } from '../util/files';
import { hubSplit } from '../util/hub/hubReference';
import { silent, type Progress } from '../util/progress';
import { checkPair } from './checkPair';
import { hubDataFiles } from './hubDataFiles';
import { jsonPairs, jsonlPairs } from './jsonlPairs';
import { isParadetox, paradetoxPairs } from './paradetox';
import { parquetPairs } from './parquetPairs';
import { readTable } from './readTable';
import type { ReadPair } from './types';

/** Pairs, and lines for people about what was left out. */
export interface ReadPairs {
  pairs: ReadPair[];
  notes: string[];
}

function tablePairs(text: string, delimiter: ',' | '\t', path: string): ReadPairs {
  const table = readTable(text, delimiter, path);
  if (isParadetox(table.columns)) return paradetoxPairs(table);
  const pairs = table.rows.map(({ line, cells }) =>
    checkPair(Object.fromEntries(table.columns.map((name, i) => [name, cells[i]])), `${path}:${line}`),
  );
  return { pairs, notes: [] };
}

type Reader = (path: string) => Promise<ReadPairs>;
const plain = (pairs: ReadPair[]): ReadPairs => ({ pairs, notes: [] });

const READERS: Readonly<Record<string, Reader>> = {
  '.jsonl': async (path) => plain(jsonlPairs(await readText(path), path)),
  '.json': async (path) => plain(jsonPairs(await readText(path), path)),
  '.csv': async (path) => tablePairs(await readText(path), ',', path),
  '.tsv': async (path) => tablePairs(await readText(path), '\t', path),
  '.parquet': async (path) => plain(await parquetPairs(path)),
};

/**
 * Reads preference pairs with the fields prompt, chosen and rejected, texts or (but in tables) lists of messages: from JSON lines, JSON, CSV, TSV or Parquet, by the file's ending,
 * or from a dataset on the hub, `owner/name[@revision][:[config/]split]`.
 * A table with the columns toxic and neutral1 is ParaDetox's own and converted (see `paradetoxPairs`).
 * @throws UserError naming file and line, what was found and what is allowed
 */
export async function readPairs(source: string, progress: Progress = silent): Promise<ReadPairs> {
  const split = hubSplit(source);
  const notes: string[] = [];
  const files = split ? await hubDataFiles(split, { progress, say: (line) => notes.push(line) }) : [source];
  const pairs: ReadPair[] = [];
  for (const file of files) {
    const read = await readFile(file);
    for (const pair of read.pairs) pairs.push(pair);
    notes.push(...read.notes);
  }
  if (pairs.length === 0) throw new UserError(`${source}: holds no preference pairs`);
  return { pairs, notes };
}

function readFile(path: string): Promise<ReadPairs> {
  const reader = READERS[extname(path).toLowerCase()];
  if (reader) return reader(path);
  throw new UserError(
    `${path}: pairs are read from ${Object.keys(READERS).join(', ')} files, by the name's ending, or from owner/name:split on the hub`,
  );
}
