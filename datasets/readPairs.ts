import { extname } from 'node:path';
import { UserError } from '../util/errors';
import { readText } from '../util/files';
import { checkPair } from './checkPair';
import { jsonlPairs } from './jsonlPairs';
import { isParadetox, paradetoxPairs } from './paradetox';
import { readTable } from './readTable';
import type { PreferencePair } from './types';

/** Pairs, and lines for people about what was left out. */
export interface ReadPairs {
  pairs: PreferencePair[];
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

const READERS: Readonly<Record<string, (text: string, path: string) => ReadPairs>> = {
  '.jsonl': (text, path) => ({ pairs: jsonlPairs(text, path), notes: [] }),
  '.csv': (text, path) => tablePairs(text, ',', path),
  '.tsv': (text, path) => tablePairs(text, '\t', path),
};

/**
 * Reads preference pairs with the fields prompt, chosen and rejected from JSON lines, CSV or TSV, by the file's ending.
 * A table with the columns toxic and neutral1 is ParaDetox's own and converted (see `paradetoxPairs`).
 * @throws UserError naming file and line, what was found and what is allowed
 */
export async function readPairs(path: string): Promise<ReadPairs> {
  const reader = READERS[extname(path).toLowerCase()];
  if (!reader) throw new UserError(`${path}: pairs are read from ${Object.keys(READERS).join(', ')} files, by the name's ending`);
  const result = reader(await readText(path), path);
  if (result.pairs.length === 0) throw new UserError(`${path}: holds no preference pairs`);
  return result;
}
