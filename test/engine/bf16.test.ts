import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../../engine/engine';
import { startEngine } from '../../engine/startEngine';
import { sharedPrefixAttention } from '../../engine/ops/sharedPrefixAttention';
import { type Case, expectEqual, live, runCase } from './conformance';
import { decodeCases, decodeRun } from './decodeCases';
import { kernelCases } from './kernelCases';

let engines: { cpu: Engine; torch: Engine };

beforeAll(async () => {
  const cpu = await startEngine({ engine: 'tfjs', device: 'auto', precision: 'float32' });
  engines = { cpu, torch: await startEngine({ engine: 'torch', device: 'cpu', precision: 'bf16' }) };
});

/** Where inputs rounded to 8 bits are ordered, or fall, otherwise. */
const discontinuous = /^(argM|topk|floor|ceil|round|mod |equal|notEqual|greater|less|searchSorted|softmax of large|cast to int32 normal)/;

/** Every value at 8 bits: half-width weights meet float32 constants, integers and each other in every kernel. */
const cases = kernelCases.filter(
  ({ name, inputs }) => inputs.some(({ kind }) => kind !== 'int' && kind !== 'bool') && !discontinuous.test(name),
);

test.each(cases.map((item) => [item.name, item] as const))('%s', async (_, item: Case) => {
  const before = live();
  const expected = await runCase(engines.cpu, { ...item, gradient: 'none' });
  const actual = await runCase(engines.torch, { ...item, gradient: item.gradient === 'none' ? 'none' : 'tape' });
  expect(actual.grads.flat().every((value) => !Number.isNaN(value))).toBe(true);
  expectEqual({ ...actual, grads: [] }, expected, 0.03);
  expect(live()).toEqual(before);
});

test.each(decodeCases.map((item) => [item.name, item] as const))('attention while decoding: %s', async (_, item) => {
  const expected = await runCase(engines.cpu, { ...decodeRun(item, sharedPrefixAttention.plain), gradient: 'none' });
  expectEqual(await runCase(engines.torch, { ...decodeRun(item, sharedPrefixAttention), gradient: 'none' }), expected, 0.03);
});

test('sums, softmax and positions are float32: nothing small is lost', async () => {
  await tf.setBackend('torch');
  const ones = engines.torch.parameter(new Float32Array(999).fill(1.001), [999], false);
  tf.tidy(() => {
    // bfloat16 has 8 bits: 1.001 is 1 there, and 999 and 1000 are one number
    expect(ones.dataSync()[0]).toBe(1);
    expect(tf.sum(ones).dataSync()[0]).toBe(999);
    expect(tf.cumsum(ones).dataSync()[996]).toBe(997);
    expect(tf.cast(tf.tensor1d([999], 'int32'), 'float32').dataSync()[0]).toBe(999);
    expect(tf.softmax(ones).dataSync()[0]).toBeCloseTo(1 / 999, 8);
  });
  ones.dispose();
});
