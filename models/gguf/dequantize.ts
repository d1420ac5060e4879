import { dequantizeQ4K, dequantizeQ5K, dequantizeQ6K } from './kQuants';
import {
  dequantizeBF16,
  dequantizeF16,
  dequantizeF32,
  dequantizeQ40,
  dequantizeQ41,
  dequantizeQ50,
  dequantizeQ51,
  dequantizeQ8,
} from './simpleQuants';

/** One of ggml's tensor types: how many values share a block, and a block's bytes. */
export interface TensorType {
  id: number;
  blockValues: number;
  blockBytes: number;
  /** Fills `out`, whose length is a whole number of blocks, from as many blocks of `bytes`. */
  dequantize: (bytes: Uint8Array, out: Float32Array) => void;
}

/** The tensor types that can be read, by ggml's name. */
export const TENSOR_TYPES = {
  F32: { id: 0, blockValues: 1, blockBytes: 4, dequantize: dequantizeF32 },
  F16: { id: 1, blockValues: 1, blockBytes: 2, dequantize: dequantizeF16 },
  BF16: { id: 30, blockValues: 1, blockBytes: 2, dequantize: dequantizeBF16 },
  Q8_0: { id: 8, blockValues: 32, blockBytes: 34, dequantize: dequantizeQ8 },
  Q4_0: { id: 2, blockValues: 32, blockBytes: 18, dequantize: dequantizeQ40 },
  Q4_1: { id: 3, blockValues: 32, blockBytes: 20, dequantize: dequantizeQ41 },
  Q5_0: { id: 6, blockValues: 32, blockBytes: 22, dequantize: dequantizeQ50 },
  Q5_1: { id: 7, blockValues: 32, blockBytes: 24, dequantize: dequantizeQ51 },
  Q4_K: { id: 12, blockValues: 256, blockBytes: 144, dequantize: dequantizeQ4K },
  Q5_K: { id: 13, blockValues: 256, blockBytes: 176, dequantize: dequantizeQ5K },
  Q6_K: { id: 14, blockValues: 256, blockBytes: 210, dequantize: dequantizeQ6K },
} as const satisfies Record<string, TensorType>;

export type TensorTypeName = keyof typeof TENSOR_TYPES;

/** ggml's other types, to name them in errors. */
const UNREADABLE_TYPES: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
  40: 'NVFP4',
};

const TYPE_NAMES = Object.keys(TENSOR_TYPES) as TensorTypeName[];

/** The readable type with this id, or undefined. */
export function tensorTypeName(id: number): TensorTypeName | undefined {
  return TYPE_NAMES.find((name) => TENSOR_TYPES[name].id === id);
}

/** An unreadable type for an error message: `number 10 (Q2_K)`. */
export function describeUnreadableType(id: number): string {
  return `number ${id}${UNREADABLE_TYPES[id] ? ` (${UNREADABLE_TYPES[id]})` : ''}`;
}

/**
 * The values of `count` numbers stored as ggml's `type`, exactly as the `gguf` package's numpy code computes them in float32.
 * @param bytes the tensor's blocks; `count` is a whole number of blocks
 */
export function dequantize(type: TensorTypeName, bytes: Uint8Array, count: number): Float32Array {
  const { blockValues, blockBytes, dequantize: fill } = TENSOR_TYPES[type];
  if (count % blockValues !== 0 || bytes.length < (count / blockValues) * blockBytes)
    throw new Error(`internal: ${count} values of ${type} cannot be read from ${bytes.length} bytes`);
  const out = new Float32Array(count);
  fill(bytes, out);
  return out;
}
