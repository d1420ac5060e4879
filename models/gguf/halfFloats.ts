const bits = new Uint32Array(1);
const asFloat = new Float32Array(bits.buffer);

/** The value of an IEEE 754 half, given as its 16 bits. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** All 65,536 halves as floats: a lookup is several times faster than the arithmetic. */
export const HALVES: Float32Array = Float32Array.from({ length: 65536 }, (_, half) => halfToFloat(half));

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
