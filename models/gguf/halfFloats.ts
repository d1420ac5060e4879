import { toFloat32 } from '../floats';

const bits = new Uint32Array(1);
const asFloat = new Float32Array(bits.buffer);

/** All 65,536 halves as floats: a lookup is several times faster than the arithmetic. */
export const HALVES = new Float32Array(65536);
toFloat32(new Uint8Array(Uint16Array.from(HALVES.keys()).buffer), 'F16', HALVES);

/** The value of a bfloat16, given as its 16 bits: the upper half of a float32. */
export function bfloat16ToFloat(bfloat16: number): number {
  bits[0] = bfloat16 << 16;
  return asFloat[0];
}

/** Rounds float32 values to bfloat16, ties to even as torch does; NaN stays NaN. */
export function floatsToBfloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    out[i] = (word & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
}
