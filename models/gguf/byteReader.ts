import { readSync } from 'node:fs';
import { UserError } from '../../util/errors';

/** Reads a little-endian file from its start, a window at a time, and never past its end. */
export interface ByteReader {
  /** Bytes read so far. */
  position(): number;
  /** Bytes left. */
  remaining(): number;
  /** The next `length` bytes; valid until the next call. @throws UserError when the file ends before */
  take(length: number, what: string): Buffer;
}

const WINDOW = 1 << 20;

/** A reader of an open file of `size` bytes; `path` is for its errors. */
export function byteReader(file: number, size: number, path: string): ByteReader {
  let window = Buffer.alloc(0);
  let windowStart = 0;
  let position = 0;
  return {
    position: () => position,
    remaining: () => size - position,
    take(length, what) {
      if (length > size - position)
        throw new UserError(
          `${path}: truncated GGUF file: ${what} at byte ${position} needs ${length} bytes, the file has ${size - position} left`,
        );
      if (position + length > windowStart + window.length) {
        const wanted = Math.min(Math.max(length, WINDOW), size - position);
        window = Buffer.allocUnsafe(wanted);
        windowStart = position;
        for (let filled = 0; filled < wanted;) {
          const read = readSync(file, window, filled, wanted - filled, position + filled);
          if (read === 0) throw new UserError(`${path}: truncated GGUF file: it ended at byte ${position + filled} while it was read`);
          filled += read;
        }
      }
      const from = position - windowStart;
      position += length;
      return window.subarray(from, from + length);
    },
  };
}
