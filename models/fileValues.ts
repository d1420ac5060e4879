import type { FileHandle } from 'node:fs/promises';
import { UserError } from '../util/errors';
import { fileError } from '../util/files';
import { DTYPE_BYTES, toFloat32 } from './floats';

/** Bytes read and converted at once where values are not stored as float32. */
const CHUNK_BYTES = 1 << 24;

/** Fills `target` from a file. One read returns at most 2 GiB, and may return less than asked for. @throws UserError at the file's end */
export async function readFully(handle: FileHandle, path: string, target: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < target.byteLength;) {
    const { bytesRead } = await handle.read(target, done, Math.min(1 << 30, target.byteLength - done), position + done);
    if (bytesRead === 0) throw new UserError(`${path}: truncated while it was read: nothing at byte ${position + done}`);
    done += bytesRead;
  }
}

/**
 * Reads `count` values of a stored floating type as float32; beside the result no more than 16 MB are in memory.
 * @param start the first value's byte in the file
 * @throws UserError naming the tensor for another type, or the file where it cannot be read
 */
export async function readFloats(
  handle: FileHandle,
  path: string,
  name: string,
  dtype: string,
  start: number,
  count: number,
): Promise<Float32Array> {
  const bytes = DTYPE_BYTES[dtype];
  if (bytes === undefined)
    throw new UserError(`${path}: tensor ${name} is stored as ${dtype}; readable are ${Object.keys(DTYPE_BYTES).join(', ')}`);
  const values = new Float32Array(count);
  try {
    if (dtype === 'F32') {
      await readFully(handle, path, new Uint8Array(values.buffer), start);
      return values;
    }
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, bytes * count));
    for (let done = 0; done < count;) {
      const now = Math.min(chunk.byteLength / bytes, count - done);
      const piece = chunk.subarray(0, now * bytes);
      await readFully(handle, path, piece, start + done * bytes);
      toFloat32(piece, dtype, values.subarray(done, done + now));
      done += now;
    }
    return values;
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}
