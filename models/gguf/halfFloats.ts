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
