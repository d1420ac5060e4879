import { HALVES } from './halfFloats';

/*
 * The K-quants of ggml: super-blocks of 256 values. Layouts from ggml-quants.c; results equal to the `gguf` package's numpy.
 */

const SUPER_BLOCK = 256;

/** The eight 6-bit scales and eight 6-bit minimums of a Q4_K or Q5_K block, packed in 12 bytes. */
function unpackScales(bytes: Uint8Array, at: number, scales: Uint8Array, minimums: Uint8Array): void {
  for (let j = 0; j < 4; j++) {
    const scale = bytes[at + j];
    const minimum = bytes[at + 4 + j];
    const low = bytes[at + 8 + j];
    scales[j] = scale & 63;
    minimums[j] = minimum & 63;
    scales[j + 4] = (low & 15) | ((scale >> 2) & 0x30);
    minimums[j + 4] = (low >> 4) | ((minimum >> 2) & 0x30);
  }
}

/** Q4_K: half scale, half minimum, 12 bytes of packed scales, 128 bytes of 4-bit values (32 low nibbles, then their 32 high ones). */
export function dequantizeQ4K(bytes: Uint8Array, out: Float32Array): void {
  const scales = new Uint8Array(8);
  const minimums = new Uint8Array(8);
  for (let block = 0, at = 0; block < out.length; block += SUPER_BLOCK, at += 144) {
    const d = HALVES[bytes[at] | (bytes[at + 1] << 8)];
    const dMin = HALVES[bytes[at + 2] | (bytes[at + 3] << 8)];
    unpackScales(bytes, at + 4, scales, minimums);
    for (let group = 0; group < 8; group++) {
      const scale = d * scales[group];
      const minimum = dMin * minimums[group];
      const from = at + 16 + (group >> 1) * 32;
      const shift = (group & 1) * 4;
      for (let i = 0; i < 32; i++) out[block + group * 32 + i] = scale * ((bytes[from + i] >> shift) & 15) - minimum;
    }
  }
}

/** Q5_K: Q4_K with 32 more bytes before the nibbles: bit g of byte i is the fifth bit of value i in group g. */
export function dequantizeQ5K(bytes: Uint8Array, out: Float32Array): void {
  const scales = new Uint8Array(8);
  const minimums = new Uint8Array(8);
  for (let block = 0, at = 0; block < out.length; block += SUPER_BLOCK, at += 176) {
    const d = HALVES[bytes[at] | (bytes[at + 1] << 8)];
    const dMin = HALVES[bytes[at + 2] | (bytes[at + 3] << 8)];
    unpackScales(bytes, at + 4, scales, minimums);
    for (let group = 0; group < 8; group++) {
      const scale = d * scales[group];
      const minimum = dMin * minimums[group];
      const from = at + 48 + (group >> 1) * 32;
      const shift = (group & 1) * 4;
      for (let i = 0; i < 32; i++) {
        const high = ((bytes[at + 16 + i] >> group) & 1) << 4;
        out[block + group * 32 + i] = scale * (((bytes[from + i] >> shift) & 15) | high) - minimum;
      }
    }
  }
}

/** Q6_K: 128 bytes of low nibbles, 64 bytes of upper two bits, 16 signed 8-bit scales (one for 16 values), half scale. */
export function dequantizeQ6K(bytes: Uint8Array, out: Float32Array): void {
  for (let block = 0, at = 0; block < out.length; block += SUPER_BLOCK, at += 210) {
    const d = HALVES[bytes[at + 208] | (bytes[at + 209] << 8)];
    for (let run = 0; run < 8; run++) {
      // Runs of 32: within each half of 128 values, low nibbles of two runs of 32 bytes, then their high nibbles.
      const half = run >> 2;
      const low = at + half * 64 + (run & 1) * 32;
      const lowShift = run & 2 ? 4 : 0;
      const high = at + 128 + half * 32;
      const highShift = (run & 3) * 2;
      for (let i = 0; i < 32; i++) {
        const scale = d * ((bytes[at + 192 + run * 2 + (i >> 4)] << 24) >> 24);
        const q = ((bytes[low + i] >> lowShift) & 15) | (((bytes[high + i] >> highShift) & 3) << 4);
        out[block + run * 32 + i] = scale * (q - 32);
      }
    }
  }
}
