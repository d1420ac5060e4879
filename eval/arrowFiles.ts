import { readFile } from 'node:fs/promises';
import * as arrow from 'apache-arrow';
import { UserError } from '../util/errors';
import { fileError, writeAtomic } from '../util/files';
import type { Generation, Score } from './types';

type Key = Pick<Generation, 'language' | 'promptIndex' | 'sampleIndex'>;

/** Version of both files, in the schema's metadata under `version`. */
const VERSION = '1';
/** Both ends of an Arrow IPC file. */
const MAGIC = 'ARROW1';
const OTHER_SCORE = 'score:';

/** Writes generations.arrow: Arrow IPC file format; language, promptIndex, sampleIndex, text, tokens (list of int32). Atomic. */
export async function writeGenerations(path: string, generations: readonly Generation[]): Promise<void> {
  const offsets = new Int32Array(generations.length + 1);
  generations.forEach(({ tokens }, i) => (offsets[i + 1] = offsets[i] + tokens.length));
  const values = new Int32Array(offsets[generations.length]);
  generations.forEach(({ tokens }, i) => values.set(tokens, offsets[i]));
  const item = new arrow.Field('item', new arrow.Int32(), false);
  const tokens = arrow.makeData({
    type: new arrow.List(item),
    length: generations.length,
    nullCount: 0,
    valueOffsets: offsets,
    child: arrow.makeData({ type: new arrow.Int32(), length: values.length, nullCount: 0, data: values }),
  });
  await writeTable(path, {
    ...keyColumns(generations),
    text: textColumn(generations.map(({ text }) => text)),
    tokens: new arrow.Vector([tokens]),
  });
}

/** Reads generations.arrow. @throws UserError naming the file where it is missing, damaged, or something else */
export async function readGenerations(path: string): Promise<Generation[]> {
  const table = await readTable(path, { ...KEY_TYPES, text: arrow.Type.Utf8, tokens: arrow.Type.List });
  return unpack(path, () => {
    const text = table.getChild('text')!;
    const tokens = table.getChild('tokens')!;
    // copied, so that a kept row does not keep the file's buffer
    return readKeys(table).map((key, i) => ({
      ...key,
      text: text.get(i) as string,
      tokens: Int32Array.from(tokens.get(i) as Iterable<number>),
    }));
  });
}

/** Writes scores.arrow: the same keys, score and logLikelihood (float64, null where there is none), `score:NAME` for further scorers. Atomic. */
export async function writeScores(path: string, scores: readonly Score[]): Promise<void> {
  const others = [...new Set(scores.flatMap((score) => Object.keys(score.others ?? {})))];
  await writeTable(path, {
    ...keyColumns(scores),
    score: numberColumn(scores.map(({ score }) => score)),
    logLikelihood: numberColumn(scores.map(({ logLikelihood }) => logLikelihood)),
    ...Object.fromEntries(others.map((name) => [OTHER_SCORE + name, numberColumn(scores.map((score) => score.others?.[name] ?? null))])),
  });
}

/** Reads scores.arrow. @throws UserError naming the file where it is missing, damaged, or something else */
export async function readScores(path: string): Promise<Score[]> {
  const table = await readTable(path, { ...KEY_TYPES, score: arrow.Type.Float, logLikelihood: arrow.Type.Float });
  return unpack(path, () => {
    const score = table.getChild('score')!;
    const logLikelihood = table.getChild('logLikelihood')!;
    const others = table.schema.fields
      .filter(({ name }) => name.startsWith(OTHER_SCORE))
      .map(({ name }) => [name.slice(OTHER_SCORE.length), table.getChild(name)!] as const);
    return readKeys(table).map((key, i) => ({
      ...key,
      score: score.get(i) as number | null,
      logLikelihood: logLikelihood.get(i) as number | null,
      ...(others.length > 0 ? { others: Object.fromEntries(others.map(([name, column]) => [name, column.get(i) as number | null])) } : {}),
    }));
  });
}

const KEY_TYPES = { language: arrow.Type.Utf8, promptIndex: arrow.Type.Int, sampleIndex: arrow.Type.Int };

function keyColumns(rows: readonly Key[]): Record<string, arrow.Vector> {
  return {
    language: textColumn(rows.map(({ language }) => language)),
    promptIndex: intColumn(rows.map(({ promptIndex }) => promptIndex)),
    sampleIndex: intColumn(rows.map(({ sampleIndex }) => sampleIndex)),
  };
}

function readKeys(table: arrow.Table): Key[] {
  const [language, promptIndex, sampleIndex] = Object.keys(KEY_TYPES).map((name) => table.getChild(name)!);
  return Array.from({ length: table.numRows }, (_, i) => ({
    language: language.get(i) as string,
    promptIndex: promptIndex.get(i) as number,
    sampleIndex: sampleIndex.get(i) as number,
  }));
}

function textColumn(values: readonly string[]): arrow.Vector {
  return arrow.vectorFromArray(values, new arrow.Utf8());
}

function intColumn(values: readonly number[]): arrow.Vector {
  return arrow.vectorFromArray(values, new arrow.Int32());
}

function numberColumn(values: readonly (number | null)[]): arrow.Vector {
  // NaN is a failure too: readers must not mistake it for a score
  return arrow.vectorFromArray(
    values.map((value) => (Number.isNaN(value) ? null : value)),
    new arrow.Float64(),
  );
}

async function writeTable(path: string, columns: Record<string, arrow.Vector>): Promise<void> {
  const plain = new arrow.Table(columns);
  const schema = new arrow.Schema(plain.schema.fields, new Map([['version', VERSION]]));
  await writeAtomic(path, arrow.tableToIPC(new arrow.Table(schema, plain.batches), 'file'));
}

async function readTable(path: string, types: Readonly<Record<string, arrow.Type>>): Promise<arrow.Table> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw fileError(error, 'read', path);
  }
  if (bytes.length < 2 * MAGIC.length || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC)
    throw new UserError(`${path}: not an Arrow IPC file`);
  if (bytes.toString('latin1', bytes.length - MAGIC.length) !== MAGIC)
    throw new UserError(`${path}: cut off: an Arrow IPC file ends with ${MAGIC}`);
  const table = unpack(path, () => arrow.tableFromIPC(bytes));
  const version = table.schema.metadata.get('version');
  if (version !== undefined && version !== VERSION)
    throw new UserError(`${path}: version ${version}; this program reads version ${VERSION}`);
  for (const [name, type] of Object.entries(types)) {
    const field = table.schema.fields.find((each) => each.name === name);
    if (!field) throw new UserError(`${path}: no column "${name}"; found: ${table.schema.fields.map((each) => each.name).join(', ')}`);
    if (field.type.typeId !== type) throw new UserError(`${path}: column "${name}" is ${field.type}; expected ${arrow.Type[type]}`);
  }
  return table;
}

/** Arrow's readers meet damage as errors of their own, at any depth. */
function unpack<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UserError(`${path}: damaged Arrow file: ${(error as Error).message}`);
  }
}
