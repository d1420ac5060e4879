import { readFile } from 'node:fs/promises';
import { Field, Int32, List, makeData, makeVector, Schema, Table, tableFromIPC, tableToIPC, type Vector } from 'apache-arrow';
import { contentHash, writeAtomic } from '../util/files';
import type { TokenizedPair } from './types';

const COLUMNS = ['prompt', 'chosen', 'rejected'] as const;
const TYPE = 'dpo-trainer/tokenized-pairs';
const VERSION = '1';

/** One column: the lists' ends to end ids, and where each list starts (one more entry: where the last ends). */
interface FlatLists {
  ids: Int32Array;
  offsets: Int32Array;
}

function flatten(lists: readonly Int32Array[]): FlatLists {
  const offsets = new Int32Array(lists.length + 1);
  lists.forEach((list, i) => (offsets[i + 1] = offsets[i] + list.length));
  const ids = new Int32Array(offsets[lists.length]);
  lists.forEach((list, i) => ids.set(list, offsets[i]));
  return { ids, offsets };
}

/** Over what is stored: a damaged file must not train a model on other tokens. */
function checksum(columns: readonly FlatLists[]): string {
  const bytes = (values: Int32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return contentHash(...columns.flatMap(({ ids, offsets }) => [bytes(ids), bytes(offsets)]));
}

/** Stores tokenised pairs as an Arrow IPC file: three columns of int32 lists. @throws UserError where it cannot be written */
export async function writeTokenizedCache(path: string, pairs: readonly TokenizedPair[]): Promise<void> {
  const columns = COLUMNS.map((name) => flatten(pairs.map((pair) => pair[name])));
  const type = new List(new Field('item', new Int32(), false));
  const vectors = columns.map(({ ids, offsets }) =>
    makeVector(
      makeData({ type, length: pairs.length, nullCount: 0, valueOffsets: offsets, child: makeData({ type: new Int32(), data: ids }) }),
    ),
  );
  const schema = new Schema(
    COLUMNS.map((name) => new Field(name, type, false)),
    new Map([
      ['type', TYPE],
      ['version', VERSION],
      ['checksum', checksum(columns)],
    ]),
  );
  const table = new Table(schema, Object.fromEntries(COLUMNS.map((name, i) => [name, vectors[i]])) as never);
  await writeAtomic(path, tableToIPC(table, 'file'));
}

/** The pairs of a cache file, or null where there is none, or it is damaged or of another kind or size: it is then made anew. */
export async function readTokenizedCache(path: string, count: number): Promise<TokenizedPair[] | null> {
  try {
    const table = tableFromIPC(await readFile(path));
    const metadata = table.schema.metadata;
    if (metadata.get('type') !== TYPE || metadata.get('version') !== VERSION || table.numRows !== count) return null;
    const columns = COLUMNS.map((name) => {
      const vector = table.getChild(name) as Vector<List<Int32>>;
      return flatten(Array.from({ length: count }, (_, i) => vector.get(i)!.toArray()));
    });
    if (metadata.get('checksum') !== checksum(columns)) return null;
    const list = ({ ids, offsets }: FlatLists, i: number) => ids.subarray(offsets[i], offsets[i + 1]);
    return Array.from({ length: count }, (_, i) => ({
      prompt: list(columns[0], i),
      chosen: list(columns[1], i),
      rejected: list(columns[2], i),
    }));
  } catch {
    return null;
  }
}
