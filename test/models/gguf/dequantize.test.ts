import { floatsToBfloat16 } from '../../../models/floats';
import { TENSOR_TYPES, dequantize, type TensorTypeName } from '../../../models/gguf/dequantize';
import { HALVES, bfloat16ToFloat } from '../../../models/gguf/halfFloats';
import { readGoldenJson } from './goldens';

const blocks = readGoldenJson<Record<TensorTypeName, { bytes: string; floats: string }>>('blocks.json');

test('every readable type has a golden', () => {
  expect(Object.keys(blocks).sort()).toEqual(Object.keys(TENSOR_TYPES).sort());
});

test.each(Object.entries(blocks))('%s equals the gguf package to the bit', (type, { bytes, floats }) => {
  const expected = Buffer.from(floats, 'base64');
  const found = dequantize(type as TensorTypeName, Buffer.from(bytes, 'base64'), expected.length / 4);
  expect(Buffer.from(found.buffer).equals(expected)).toBe(true);
});

test('a count that is no whole number of blocks is a bug of ours', () => {
  expect(() => dequantize('Q8_0', new Uint8Array(34), 31)).toThrow('internal:');
  expect(() => dequantize('Q8_0', new Uint8Array(33), 32)).toThrow('internal:');
});

test('halves: normal, subnormal, zeros, infinities', () => {
  expect([0x3c00, 0xc000, 0x0001, 0x03ff, 0x7bff, 0x7c00, 0xfc00, 0x0000].map((half) => HALVES[half])).toEqual([
    1,
    -2,
    2 ** -24,
    1023 * 2 ** -24,
    65504,
    Infinity,
    -Infinity,
    0,
  ]);
  expect(Object.is(HALVES[0x8000], -0)).toBe(true);
  expect(HALVES[0x7e00]).toBeNaN();
});

test('bfloat16 rounds to nearest, ties to even', () => {
  const step = 2 ** -7; // between neighbours above 1
  const values = [1, 1 + step / 2, 1 + (3 * step) / 2, 1 + step * 0.51, -1 - step * 0.49, 0, 3.4e38, NaN];
  const found = Array.from(floatsToBfloat16(Float32Array.from(values)), bfloat16ToFloat);
  expect(found).toEqual([1, 1, 1 + 2 * step, 1 + step, -1, 0, Infinity, NaN]);
});
