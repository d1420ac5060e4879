import { closeSync, fstatSync, openSync } from 'node:fs';
import { UserError } from '../../util/errors';
import { fileError } from '../../util/files';
import { byteReader, type ByteReader } from './byteReader';
import { TENSOR_TYPES, describeUnreadableType, tensorTypeName, type TensorTypeName } from './dequantize';

/** A metadata value: 64-bit integers beyond 2^53 stay bigint. */
export type GgufValue = number | bigint | boolean | string | GgufValue[];

export interface GgufTensor {
  name: string;
  /** Outermost dimension first, as in numpy; GGUF lists the innermost first. */
  shape: number[];
  type: TensorTypeName;
  /** Where the tensor starts in the file, and its length, in bytes. */
  offset: number;
  bytes: number;
}

/** A GGUF file's header; tensor data stay on the disk. */
export interface GgufFile {
  path: string;
  version: number;
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: readonly GgufTensor[];
}

const MAX_DIMENSIONS = 4;
/** Longest name that ggml accepts is 64 bytes; a key may have 65,535. */
const MAX_NAME_BYTES = 65535;
const MAX_ARRAY_DEPTH = 4;
const DEFAULT_ALIGNMENT = 32;

/** Metadata types in the order of their numbers: name, and the fewest bytes that a value takes. */
const VALUE_TYPES = [
  ['uint8', 1],
  ['int8', 1],
  ['uint16', 2],
  ['int16', 2],
  ['uint32', 4],
  ['int32', 4],
  ['float32', 4],
  ['bool', 1],
  ['string', 8],
  ['array', 12],
  ['uint64', 8],
  ['int64', 8],
  ['float64', 8],
] as const;

/**
 * Reads the header of a GGUF file, version 2 or 3: metadata and where each tensor lies. Every count, length and offset is checked
 * against the file before anything is allocated. Format: ggml's docs/gguf.md.
 * @throws UserError naming the file, what was found and what is allowed
 */
export function readGguf(path: string): GgufFile {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw fileError(error, 'read', path);
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile())
      throw new UserError(`cannot read ${path}: ${stat.isDirectory() ? 'is a folder, not a file' : 'not a regular file'}`);
    return parseHeader(byteReader(file, stat.size, path), stat.size, path);
  } catch (error) {
    throw fileError(error, 'read', path);
  } finally {
    closeSync(file);
  }
}

function parseHeader(reader: ByteReader, size: number, path: string): GgufFile {
  const magic = reader.take(4, 'the magic').toString('latin1');
  if (magic !== 'GGUF') throw new UserError(`${path}: not a GGUF file: it starts with ${JSON.stringify(magic)}, not "GGUF"`);
  const version = reader.take(4, 'the version').readUInt32LE();
  if (version !== 2 && version !== 3) {
    const found = version > 0xffff && (version & 0xffff) === 0 ? 'a big-endian file' : `version ${version}`;
    throw new UserError(`${path}: ${found} of GGUF; little-endian versions 2 and 3 can be read`);
  }
  // A tensor's entry takes at least 24 bytes and a byte of data, a metadata entry at least 13.
  const tensorCount = readCount(reader, path, 'number of tensors', 25);
  const metadataCount = readCount(reader, path, 'number of metadata entries', 13);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < metadataCount; i++) {
    const key = readString(reader, path, `the name of metadata entry ${i}`, MAX_NAME_BYTES);
    if (metadata.has(key)) throw new UserError(`${path}: metadata entry ${JSON.stringify(key)} appears twice`);
    const type = reader.take(4, `the type of ${key}`).readUInt32LE();
    metadata.set(key, readValue(reader, path, key, type, 0));
  }
  const alignment = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== 'number' || !(alignment > 0) || alignment % 8 !== 0)
    throw new UserError(`${path}: general.alignment is ${String(alignment)}; a positive multiple of 8 is allowed`);
  const entries: GgufTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const tensor = readTensorEntry(reader, path, i, alignment);
    if (names.has(tensor.name)) throw new UserError(`${path}: tensor ${JSON.stringify(tensor.name)} appears twice`);
    names.add(tensor.name);
    entries.push(tensor);
  }
  const dataStart = Math.ceil(reader.position() / alignment) * alignment;
  const tensors = entries.map((tensor) => ({ ...tensor, offset: dataStart + tensor.offset }));
  for (const { name, offset, bytes } of tensors) {
    if (offset + bytes > size)
      throw new UserError(`${path}: truncated GGUF file: tensor ${name} needs bytes ${offset} to ${offset + bytes}, the file has ${size}`);
  }
  return { path, version, metadata, tensors };
}

function readTensorEntry(reader: ByteReader, path: string, index: number, alignment: number): GgufTensor {
  const name = readString(reader, path, `the name of tensor ${index}`, MAX_NAME_BYTES);
  const dimensions = reader.take(4, `the dimensions of ${name}`).readUInt32LE();
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS)
    throw new UserError(`${path}: tensor ${name} has ${dimensions} dimensions; 1 to ${MAX_DIMENSIONS} are allowed`);
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) {
    const length = readUnsigned(reader, `the shape of ${name}`);
    if (!(length >= 1)) throw new UserError(`${path}: tensor ${name} has a dimension of ${length}; at least 1 is allowed`);
    shape.unshift(length);
  }
  const values = shape.reduce((a, b) => a * b, 1);
  const typeId = reader.take(4, `the type of ${name}`).readUInt32LE();
  const type = tensorTypeName(typeId);
  if (!type)
    throw new UserError(
      `${path}: tensor ${name} has type ${describeUnreadableType(typeId)}; these can be read: ${Object.keys(TENSOR_TYPES).join(', ')}`,
    );
  const offset = readUnsigned(reader, `the offset of ${name}`);
  if (offset % alignment !== 0) throw new UserError(`${path}: tensor ${name} lies at ${offset}, not at a multiple of ${alignment}`);
  const { blockValues, blockBytes } = TENSOR_TYPES[type];
  const rowLength = shape[shape.length - 1];
  if (rowLength % blockValues !== 0)
    throw new UserError(`${path}: tensor ${name} has rows of ${rowLength} values; ${type} needs a multiple of ${blockValues}`);
  return { name, shape, type, offset, bytes: (values / blockValues) * blockBytes };
}

/** A count of things that take at least `leastBytes` each: more than fit into the rest of the file is refused at once. */
function readCount(reader: ByteReader, path: string, what: string, leastBytes: number): number {
  const count = readUnsigned(reader, `the ${what}`);
  const most = Math.floor(reader.remaining() / leastBytes);
  if (count > most)
    throw new UserError(`${path}: truncated or damaged GGUF file: the ${what} is ${count}; the rest of the file has room for ${most}`);
  return count;
}

/** A uint64; beyond 2^53 it is only near, which every check that follows refuses anyway. */
function readUnsigned(reader: ByteReader, what: string): number {
  return Number(reader.take(8, what).readBigUInt64LE());
}

function readString(reader: ByteReader, path: string, what: string, most = Infinity): string {
  const length = readCount(reader, path, `length of ${what}`, 1);
  if (length > most) throw new UserError(`${path}: damaged GGUF file: ${what} has ${length} bytes; at most ${most} are allowed`);
  return reader.take(length, what).toString('utf8');
}

function readValue(reader: ByteReader, path: string, key: string, type: number, depth: number): GgufValue {
  const known = VALUE_TYPES[type];
  if (!known) throw new UserError(`${path}: metadata entry ${key} has type ${type}; 0 to ${VALUE_TYPES.length - 1} are allowed`);
  const [name, bytes] = known;
  if (name === 'string') return readString(reader, path, key);
  if (name === 'array') {
    if (depth === MAX_ARRAY_DEPTH) throw new UserError(`${path}: metadata entry ${key} nests arrays deeper than ${MAX_ARRAY_DEPTH}`);
    const elementType = reader.take(4, `the type of ${key}`).readUInt32LE();
    const count = readCount(reader, path, `length of ${key}`, VALUE_TYPES[elementType]?.[1] ?? 1);
    const values: GgufValue[] = [];
    for (let i = 0; i < count; i++) values.push(readValue(reader, path, key, elementType, depth + 1));
    return values;
  }
  const at = reader.take(bytes, key);
  switch (name) {
    case 'uint8':
      return at.readUInt8();
    case 'int8':
      return at.readInt8();
    case 'uint16':
      return at.readUInt16LE();
    case 'int16':
      return at.readInt16LE();
    case 'uint32':
      return at.readUInt32LE();
    case 'int32':
      return at.readInt32LE();
    case 'float32':
      return at.readFloatLE();
    case 'float64':
      return at.readDoubleLE();
    case 'bool': {
      const value = at.readUInt8();
      if (value > 1) throw new UserError(`${path}: metadata entry ${key} is ${value}, not a truth value (0 or 1)`);
      return value === 1;
    }
    case 'uint64':
      return narrow(at.readBigUInt64LE());
    case 'int64':
      return narrow(at.readBigInt64LE());
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
