import { HALVES, bfloat16ToFloat } from './halfFloats';

/*
 * ggml's plain types and its quantised blocks of 32 values. Layouts from ggml-quants.c; results equal to the `gguf` package's numpy.
 */

const BLOCK = 32;

/** F32: little-endian floats. */
export function dequantizeF32(bytes: Uint8Array, out: Float32Array): void {
  new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes.subarray(0, out.byteLength));
}

/** F16: IEEE halves. */
export function dequantizeF16(bytes: Uint8Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = HALVES[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
}

/** BF16: the upper halves of floats. */
export function dequantizeBF16(bytes: Uint8Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = bfloat16ToFloat(bytes[2 * i] | (bytes[2 * i + 1] << 8));
}

/** Q8_0: half scale, 32 signed bytes. */
export function dequantizeQ8(bytes: Uint8Array, out: Float32Array): void {
  for (let block = 0, at = 0; block < out.length; block += BLOCK, at += 34) {
    const d = HALVES[bytes[at] | (bytes[at + 1] << 8)];
    for (let i = 0; i < BLOCK; i++) out[block + i] = d * ((bytes[at + 2 + i] << 24) >> 24);
  }
}

/** Q4_0: half scale, 16 bytes: value i in the low nibble of byte i, value 16 + i in its high one, both less 8. */
export function dequantizeQ40(bytes: Uint8Array, out: Float32Array): void {
  for (let block = 0, at = 0; block < out.length; block += BLOCK, at += 18) {
    const d = HALVES[bytes[at] | (bytes[at + 1] << 8)];
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 2 + i];
      out[block + i] = d * ((pair & 15) - 8);
      out[block + 16 + i] = d * ((pair >> 4) - 8);
    }
  }
}

/** Q4_1: half scale, half minimum, 16 bytes of nibbles as in Q4_0. */
export function dequantizeQ41(bytes: Uint8Array, out: Float32Array): void {
  for (let block = 0, at = 0; block < out.length; block += BLOCK, at += 20) {
    const d = HALVES[bytes[at] | (bytes[at + 1] << 8)];
    const m = HALVES[bytes[at + 2] | (bytes[at + 3] << 8)];
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 4 + i];
      out[block + i] = d * (pair & 15) + m;
      out[block + 16 + i] = d * (pair >> 4) + m;
    }
  }
}

/** Q5_0: half scale, 32 fifth bits (bit i for value i), nibbles as in Q4_0; values less 16. */
export function dequantizeQ50(bytes: Uint8Array, out: Float32Array): void {
  for (let block = 0, at = 0; block < out.length; block += BLOCK, at += 22) {
    const d = HALVES[bytes[at] | (bytes[at + 1] << 8)];
    const high = bytes[at + 2] | (bytes[at + 3] << 8) | (bytes[at + 4] << 16) | (bytes[at + 5] << 24);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 6 + i];
      out[block + i] = d * (((pair & 15) | (((high >>> i) & 1) << 4)) - 16);
      out[block + 16 + i] = d * (((pair >> 4) | (((high >>> (16 + i)) & 1) << 4)) - 16);
    }
  }
}

/** Q5_1: half scale, half minimum, fifth bits and nibbles as in Q5_0. */
export function dequantizeQ51(bytes: Uint8Array, out: Float32Array): void {
  for (let block = 0, at = 0; block < out.length; block += BLOCK, at += 24) {
    const d = HALVES[bytes[at] | (bytes[at + 1] << 8)];
    const m = HALVES[bytes[at + 2] | (bytes[at + 3] << 8)];
    const high = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 8 + i];
      out[block + i] = d * ((pair & 15) | (((high >>> i) & 1) << 4)) + m;
      out[block + 16 + i] = d * ((pair >> 4) | (((high >>> (16 + i)) & 1) << 4)) + m;
    }
  }
}
