/** Bytes a value of the stored floating types. */
export const DTYPE_BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 };

/** float32 bits of every float16 value, made on first use. */
let halfBits: Uint32Array | undefined;

/** float32 bits of a float16 value (IEEE 754 binary16), subnormals, infinities and NaN included. */
function widenHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  // a subnormal, fraction / 2^24, is normal in float32: its highest bit becomes the hidden one
  const shift = Math.clz32(fraction) - 21;
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}

/**
 * Converts little-endian float16 or bfloat16 values to float32.
 * @param bytes 2 bytes a value, at an even address
 * @param target as many values
 */
export function toFloat32(bytes: Uint8Array, dtype: string, target: Float32Array): void {
  const stored = new Uint16Array(bytes.buffer, bytes.byteOffset, target.length);
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  if (dtype === 'BF16') {
    for (let i = 0; i < bits.length; i++) bits[i] = stored[i] << 16;
  } else if (dtype === 'F16') {
    const table = (halfBits ??= Uint32Array.from({ length: 65536 }, (_, half) => widenHalf(half)));
    for (let i = 0; i < bits.length; i++) bits[i] = table[stored[i]];
  } else {
    throw new Error(`internal: no conversion from ${dtype}`);
  }
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

/** How many values are NaN, and how many infinite. */
export function countNonFinite(values: Float32Array): { nan: number; infinite: number } {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let nan = 0;
  let infinite = 0;
  for (let i = 0; i < bits.length; i++) {
    if ((bits[i] & 0x7f800000) !== 0x7f800000) continue;
    if ((bits[i] & 0x7fffff) !== 0) nan++;
    else infinite++;
  }
  return { nan, infinite };
}

/** @param values [rows, columns]  @returns [columns, rows] */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) out[column * rows + row] = values[row * columns + column];
  return out;
}
