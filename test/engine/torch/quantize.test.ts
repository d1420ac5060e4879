import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../../../engine/engine';
import { mergedNorms } from '../../../engine/ops/dora';
import { conv1d, linear } from '../../../engine/ops/linear';
import { startEngine } from '../../../engine/startEngine';
import type { TorchBackend } from '../../../engine/torch/backend';
import { describe as describeSlot, scalarType, torch, type Slot } from '../../../engine/torch/binding';
import { dynamicMap } from '../../../engine/torch/quantize';
import { readSafetensors, type SafetensorsFile } from '../../../models/safetensors';

let engine: Engine;
let golden: SafetensorsFile;
const shapes = [
  [24, 80],
  [5, 13],
  [4, 64],
  [160, 128],
] as const;
const cases = shapes.flatMap((shape) =>
  (['nf4', 'fp4'] as const).flatMap((type) => [false, true].map((double) => ({ shape, type, double }))),
);

beforeAll(async () => {
  engine = await startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' });
  golden = await readSafetensors(join(__dirname, '../../goldens/quantization.safetensors'));
});
afterAll(() => golden.close());

function slotValues(slot: Slot): number[] {
  const { shape } = describeSlot(slot);
  const values = new Float32Array(tf.util.sizeFromShape(shape));
  torch().toBytes(slot, values, scalarType.float32);
  return [...values];
}

test("the 8-bit map is bitsandbytes'", async () => {
  expect(dynamicMap()).toEqual(await golden.read('map'));
});

test.each(cases)("codes, magnitudes and values are bitsandbytes', bit for bit: %j", async ({ shape, type, double }) => {
  const before = torch().liveSlots();
  const name = shape.join('x');
  const read = async (key: string): Promise<number[]> => [...(await golden.read(`${name}.${type}.${key}`))];
  const weight = engine.quantizedParameter!(await golden.read(`${name}.weight`), shape, { type, double }, false);
  const { packed, absmax, scales, offset } = (tf.backend() as TorchBackend).quantizedOf(weight)!;
  expect(slotValues(packed)).toEqual(await read('packed'));
  expect(slotValues(absmax)).toEqual(await read(double ? 'double.absmax' : 'absmax'));
  if (double) {
    expect(slotValues(scales!)).toEqual(await read('double.scales'));
    expect(slotValues(offset!)).toEqual(await read('double.offset'));
  }
  const values = engine.readParameter(weight);
  // the sign of fp4's zeros depends on whether bitsandbytes takes its vectorised path
  const unsigned = (numbers: Iterable<number>): number[] => Array.from(numbers, (value) => value + 0);
  if (golden.entries.has(`${name}.${type}.values`))
    expect(unsigned(values)).toEqual(unsigned(await read(double ? 'double.values' : 'values')));
  weight.dispose();
  expect(torch().liveSlots()).toBe(before);
});

test.each([true, false])(
  'products, their gradients and norms are those of the dequantised weight; a conv1d weight: %s',
  async (inputFirst) => {
    const before = torch().liveSlots();
    const stored = await golden.read('24x80.weight');
    const quantization = { type: 'nf4', double: true } as const;
    const packed = engine.quantizedParameter!(stored, [24, 80], quantization, inputFirst);
    const plain = engine.parameter(engine.readParameter(packed), [24, 80], false);
    const [inputs, outputs] = inputFirst ? [24, 80] : [80, 24];
    const x = tf.tidy(() => tf.variable(tf.randomNormal<tf.Rank.R2>([7, inputs], 0, 1, 'float32', 1)));
    const bias = tf.tidy(() => tf.variable(tf.randomNormal<tf.Rank.R1>([outputs], 0, 1, 'float32', 2)));
    const cotangent = tf.randomNormal<tf.Rank.R2>([7, outputs], 0, 1, 'float32', 3);
    const run = (weight: tf.Variable) => {
      const result = engine.valueAndGrads(() => {
        const own = (inputFirst ? conv1d : linear)(x as tf.Tensor as tf.Tensor2D, weight, bias);
        return { loss: tf.sum<tf.Scalar>(tf.mul(own, cotangent)), aux: { own } };
      }, [x, bias]);
      const values = [result.aux.own, ...result.grads].map((tensor) => [...tensor.dataSync<'float32'>()]);
      tf.dispose([result.loss, result.grads, ...Object.values(result.aux)]);
      return values;
    };
    const [actual, expected] = [run(packed), run(plain)];
    actual.forEach((values, i) => values.forEach((value, j) => expect(value).toBeCloseTo(expected[i][j], 4)));

    const [a, b] = [tf.randomNormal([2, inputs], 0, 1, 'float32', 4), tf.randomNormal([outputs, 2], 0, 1, 'float32', 5)];
    const norms = [packed, plain].map((weight) => tf.tidy(() => [...mergedNorms(weight, a, b, 0.5, inputFirst).dataSync<'float32'>()]));
    norms[0].forEach((norm, i) => expect(norm).toBeCloseTo(norms[1][i], 4));
    tf.dispose([packed, plain, x, bias, cotangent, a, b]);
    expect(torch().liveSlots()).toBe(before);
  },
);

test('an operation that does not know of 4 bits says so', () => {
  const weight = engine.quantizedParameter!(new Float32Array(64).fill(1), [1, 64], { type: 'fp4', double: false }, false);
  expect(() => tf.tidy(() => tf.add(weight, 1))).toThrow('internal: a weight in 4 bits');
  weight.dispose();
});
