/** Bytes read one after the other. */
export interface ByteSource {
  position(): number;
  byte(): number;
  /** The next bytes, a view. */
  take(count: number): Uint8Array;
  /** An unsigned little-endian number of 1, 2, 4 or 8 bytes; beyond 2^53 it is more than any file holds and only rounded. */
  length(bytes: 1 | 2 | 4 | 8): number;
  /** Little endian. */
  int32(): number;
  /** Big endian, as pickle has it. */
  float64(): number;
  /** Text up to the next line feed, which is passed over. */
  line(): string;
}

/** @param endError the error to throw where bytes are asked for that are not there */
export function byteSource(bytes: Uint8Array, start: number, endError: (at: number) => Error): ByteSource {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = start;
  const advance = (count: number): number => {
    if (count > buffer.length - at) throw endError(buffer.length);
    at += count;
    return at - count;
  };
  return {
    position: () => at,
    byte: () => buffer[advance(1)],
    take: (count) => {
      const from = advance(count);
      return buffer.subarray(from, from + count);
    },
    length: (count) => {
      const from = advance(count);
      return count === 8 ? Number(buffer.readBigUInt64LE(from)) : buffer.readUIntLE(from, count);
    },
    int32: () => buffer.readInt32LE(advance(4)),
    float64: () => buffer.readDoubleBE(advance(8)),
    line: () => {
      const end = buffer.indexOf(10, at);
      if (end < 0) throw endError(buffer.length);
      const from = advance(end + 1 - at);
      return buffer.toString('utf8', from, end);
    },
  };
}
