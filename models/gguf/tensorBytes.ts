import { closeSync, openSync, readSync } from 'node:fs';
import { dequantize } from './dequantize';
import type { GgufTensor } from './readGguf';

const CHUNK_BYTES = 1 << 20;

/** Whether two tensors of a file hold the same: some converters store a tied head a second time. */
export function sameBytes(path: string, a: GgufTensor, b: GgufTensor): boolean {
  if (a.type !== b.type || a.bytes !== b.bytes || a.shape.join() !== b.shape.join()) return false;
  return withFile(path, (file) => {
    const [left, right] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
    for (let at = 0; at < a.bytes; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, a.bytes - at);
      readSync(file, left, 0, length, a.offset + at);
      readSync(file, right, 0, length, b.offset + at);
      if (!left.subarray(0, length).equals(right.subarray(0, length))) return false;
    }
    return true;
  });
}

/** The values of a tensor, which is read whole: for small ones. */
export function tensorValues(path: string, { type, shape, offset, bytes }: GgufTensor): Float32Array {
  return withFile(path, (file) => {
    const buffer = Buffer.alloc(bytes);
    readSync(file, buffer, 0, bytes, offset);
    return dequantize(
      type,
      buffer,
      shape.reduce((a, b) => a * b, 1),
    );
  });
}

function withFile<T>(path: string, read: (file: number) => T): T {
  const file = openSync(path, 'r');
  try {
    return read(file);
  } finally {
    closeSync(file);
  }
}
