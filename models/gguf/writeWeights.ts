import { open, type FileHandle } from 'node:fs/promises';
import { UserError } from '../../util/errors';
import { fileError } from '../../util/files';
import type { Progress } from '../../util/progress';
import { floatsToBfloat16, transposed } from '../floats';
import { TENSOR_TYPES, dequantize } from './dequantize';
import type { PlannedTensor } from './planImport';

export type WeightDtype = 'float32' | 'bf16';

const SAFETENSORS_DTYPE = { float32: 'F32', bf16: 'BF16' } as const;
const VALUE_BYTES = { float32: 4, bf16: 2 } as const;
/** About 16 MB of floats at a time: an embedding of 671 MB never lies in memory whole. */
const CHUNK_VALUES = 1 << 22;

/**
 * Dequantises tensors of a GGUF file into a safetensors file, a few million values at a time. Not atomic: the caller renames.
 * @throws UserError naming the file that cannot be read or written
 */
export async function writeWeights(
  ggufPath: string,
  path: string,
  tensors: readonly PlannedTensor[],
  dtype: WeightDtype,
  progress: Progress,
): Promise<void> {
  let source: FileHandle | undefined;
  let target: FileHandle | undefined;
  try {
    source = await open(ggufPath, 'r').catch((error) => {
      throw fileError(error, 'read', ggufPath);
    });
    target = await open(path, 'w');
    await writeAll(target, safetensorsHeader(tensors, dtype));
    for (const [done, tensor] of tensors.entries()) {
      progress({ stage: 'weights', done, total: tensors.length });
      for await (const values of changedValues(source, ggufPath, tensor)) await writeAll(target, valueBytes(values, dtype));
    }
    progress({ stage: 'weights', done: tensors.length, total: tensors.length });
  } catch (error) {
    throw fileError(error, 'write', path);
  } finally {
    await source?.close();
    await target?.close();
  }
}

function safetensorsHeader(tensors: readonly PlannedTensor[], dtype: WeightDtype): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let at = 0;
  for (const { name, shape } of tensors) {
    const end = at + shape.reduce((a, b) => a * b, 1) * VALUE_BYTES[dtype];
    header[name] = { dtype: SAFETENSORS_DTYPE[dtype], shape, data_offsets: [at, end] };
    at = end;
  }
  let json = JSON.stringify(header);
  json += ' '.repeat((8 - (Buffer.byteLength(json) % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));
  return Buffer.concat([length, Buffer.from(json)]);
}

/** A tensor's values as they are written, in chunks of whole rows; a transposed or reordered tensor comes in one piece. */
async function* changedValues(file: FileHandle, path: string, { source, change }: PlannedTensor): AsyncGenerator<Float32Array> {
  const { blockValues, blockBytes } = TENSOR_TYPES[source.type];
  const columns = source.shape[source.shape.length - 1];
  const total = source.shape.reduce((a, b) => a * b, 1);
  const whole = change === 'transpose' || typeof change === 'object';
  const step = whole ? total : Math.max(columns, Math.floor(CHUNK_VALUES / columns) * columns);
  for (let start = 0; start < total; start += step) {
    const count = Math.min(step, total - start);
    const length = (count / blockValues) * blockBytes;
    const bytes = await readAll(file, path, source.offset + (start / blockValues) * blockBytes, length);
    const values = dequantize(source.type, bytes, count);
    if (change === 'subtractOne') for (let i = 0; i < values.length; i++) values[i] -= 1;
    if (change === 'transpose') yield transposed(values, total / columns, columns);
    else if (typeof change === 'object') yield reordered(values, source.shape.length === 1 ? 1 : columns, change.rows);
    else yield values;
  }
}

function reordered(values: Float32Array, columns: number, sourceRow: (row: number) => number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < values.length / columns; row++) {
    const from = sourceRow(row) * columns;
    out.set(values.subarray(from, from + columns), row * columns);
  }
  return out;
}

function valueBytes(values: Float32Array, dtype: WeightDtype): Uint8Array {
  const typed = dtype === 'bf16' ? floatsToBfloat16(values) : values;
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

async function readAll(file: FileHandle, path: string, position: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(length);
  for (let filled = 0; filled < length;) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) throw new UserError(`${path}: truncated GGUF file: it ended at byte ${position + filled} while it was read`);
    filled += bytesRead;
  }
  return bytes;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += (await file.write(bytes, written)).bytesWritten;
}
