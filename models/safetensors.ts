import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../util/errors';
import { badJson, fileError } from '../util/files';
import { readFloats, readFully } from './fileValues';
import { DTYPE_BYTES, floatsToBfloat16 } from './floats';
import type { StoredTensor, TensorFile } from './tensorFile';

/** A tensor of a safetensors file: where it lies, counted from the file's first byte. */
export interface SafetensorsEntry extends StoredTensor {
  start: number;
  end: number;
}

/** An open safetensors file. */
export interface SafetensorsFile extends TensorFile {
  entries: ReadonlyMap<string, SafetensorsEntry>;
  /** The header's `__metadata__`. */
  metadata: Readonly<Record<string, string>>;
}

/** The format's own limit on a header. */
const LONGEST_HEADER = 100_000_000;

/**
 * Opens a safetensors file (https://github.com/huggingface/safetensors#format): 8 bytes with the header's length, the header in
 * JSON, the values in little endian. Everything that the header says is checked against the file before anything is read.
 * @throws UserError naming the file, the tensor, what was found and what is allowed
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw fileError(error, 'read', path);
  }
  try {
    const { entries, metadata } = await readHeader(handle, path);
    return {
      path,
      entries,
      metadata,
      read: (name) => readTensor(handle, path, name, entries.get(name)),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw fileError(error, 'read', path);
  }
}

async function readHeader(handle: FileHandle, path: string): Promise<Pick<SafetensorsFile, 'entries' | 'metadata'>> {
  const { size } = await handle.stat();
  if (size < 8) throw new UserError(`${path}: truncated: ${size} bytes, a safetensors file has at least 8`);
  const lengthBytes = Buffer.alloc(8);
  await readFully(handle, path, lengthBytes, 0);
  const length = lengthBytes.readBigUInt64LE();
  if (length > LONGEST_HEADER)
    throw new UserError(`${path}: not a safetensors file: a header of ${length} bytes, at most ${LONGEST_HEADER} are allowed`);
  const dataStart = 8 + Number(length);
  if (dataStart > size) throw new UserError(`${path}: truncated: its header ends at byte ${dataStart}, the file at ${size}`);
  const headerBytes = Buffer.alloc(Number(length));
  await readFully(handle, path, headerBytes, 8);
  return parseHeader(headerBytes.toString('utf8'), dataStart, size, path);
}

function parseHeader(headerText: string, dataStart: number, size: number, path: string): Pick<SafetensorsFile, 'entries' | 'metadata'> {
  let header: unknown;
  try {
    header = JSON.parse(headerText);
  } catch (error) {
    throw new UserError(`${path}: the safetensors header is ${badJson(error)}`);
  }
  if (!isRecord(header)) throw new UserError(`${path}: the safetensors header is not a JSON object`);
  const duplicate = duplicateKey(headerText);
  if (duplicate !== undefined) throw new UserError(`${path}: tensor ${duplicate} is listed twice in the header`);
  const { __metadata__: metadata = {}, ...tensors } = header;
  const entries = new Map(Object.entries(tensors).map(([name, entry]) => [name, checkEntry(name, entry, dataStart, size, path)]));
  const byPlace = [...entries].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  for (let i = 1; i < byPlace.length; i++) {
    const [[before, a], [after, b]] = [byPlace[i - 1], byPlace[i]];
    if (b.start < a.end) {
      throw new UserError(
        `${path}: tensors ${before} and ${after} overlap: the first ends at byte ${a.end}, the second begins at ${b.start}`,
      );
    }
  }
  return { entries, metadata: isRecord(metadata) ? (metadata as Record<string, string>) : {} };
}

function checkEntry(name: string, entry: unknown, dataStart: number, size: number, path: string): SafetensorsEntry {
  const where = `${path}: tensor ${name}`;
  if (!isRecord(entry)) throw new UserError(`${where}: its header entry is not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string') throw new UserError(`${where}: dtype is ${JSON.stringify(dtype)}; it must be a string such as F32`);
  if (!isSizes(shape)) throw new UserError(`${where}: shape is ${JSON.stringify(shape)}; it must be a list of whole numbers`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw new UserError(`${where}: data_offsets is ${JSON.stringify(offsets)}; it must be a begin and an end, in bytes`);
  }
  const [start, end] = [dataStart + offsets[0], dataStart + offsets[1]];
  if (end > size) throw new UserError(`${where}: ends at byte ${end}, but the file has ${size} bytes: it is truncated or damaged`);
  const bytes = DTYPE_BYTES[dtype];
  if (bytes !== undefined) {
    const expected = bytes * shape.reduce((product, length) => product * length, 1);
    if (end - start !== expected)
      throw new UserError(`${where}: ${dtype} [${shape.join(', ')}] takes ${expected} bytes, the file gives it ${end - start}`);
  }
  return { dtype, shape, start, end };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
}

/** JSON.parse keeps the last of two equal keys silently: the first key of the top object that comes twice. */
function duplicateKey(headerText: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  // strings, and the brackets between them; valid JSON has been made sure of
  for (const match of headerText.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g)) {
    const token = match[0];
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && match[1] !== undefined) {
      const key = JSON.parse(token.slice(0, token.length - match[1].length)) as string;
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}

async function readTensor(handle: FileHandle, path: string, name: string, entry: SafetensorsEntry | undefined): Promise<Float32Array> {
  if (!entry) throw new UserError(`${path}: holds no tensor ${name}`);
  const count = entry.shape.reduce((product, length) => product * length, 1);
  return readFloats(handle, path, name, entry.dtype, entry.start, count);
}

/** A tensor to write; a function is called when its turn comes, so that one tensor is in memory at a time. */
export interface SafetensorsInput {
  name: string;
  shape: readonly number[];
  values: Float32Array | (() => Float32Array | Promise<Float32Array>);
}

/** What tensors are written as. */
export type WrittenDtype = 'float32' | 'bf16';

export const WRITTEN_BYTES: Readonly<Record<WrittenDtype, number>> = { float32: 4, bf16: 2 };

/**
 * Writes tensors as one safetensors file, beside the target and then renamed.
 * @param metadata transformers asks for a `format`  @param dtype bf16: values are rounded to the nearest, ties to even
 * @throws UserError naming the file where it cannot be written
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly SafetensorsInput[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
  dtype: WrittenDtype = 'float32',
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const ends: number[] = [];
  let place = 0;
  for (const { name, shape } of tensors) {
    if (Object.hasOwn(header, name)) throw new Error(`internal: tensor ${name} is written twice to ${path}`);
    const end = place + WRITTEN_BYTES[dtype] * shape.reduce((product, length) => product * length, 1);
    header[name] = { dtype: dtype === 'bf16' ? 'BF16' : 'F32', shape, data_offsets: [place, end] };
    ends.push(end - place);
    place = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  // spaces align the values to 8 bytes, as the format asks
  const headerBytes = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(headerBytes.length));

  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(temporary, 'w');
    try {
      await writeFully(handle, Buffer.concat([length, headerBytes]));
      for (const [i, { name, values }] of tensors.entries()) {
        const given = typeof values === 'function' ? await values() : values;
        const array = dtype === 'bf16' ? floatsToBfloat16(given) : given;
        if (array.byteLength !== ends[i]) throw new Error(`internal: tensor ${name} has ${array.byteLength} bytes, its shape ${ends[i]}`);
        await writeFully(handle, new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(error, 'write', path);
  }
}

async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(1 << 30, bytes.byteLength - done));
    done += bytesWritten;
  }
}
