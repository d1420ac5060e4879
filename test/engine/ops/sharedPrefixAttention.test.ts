import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../../../engine/engine';
import { disposeRowGroups, rowGroups, sharedPrefixAttention } from '../../../engine/ops/sharedPrefixAttention';
import type { TorchBackend } from '../../../engine/torch/backend';
import { decodeKernels } from '../../../engine/torch/decodeKernels';
import { startEngine } from '../../../engine/startEngine';
import { drawn, expectEqual, live, runCase, switchTo } from '../conformance';
import { byHand, decodeCases, decodeRun } from '../decodeCases';

let engines: { cpu: Engine; torch: Engine };

beforeAll(async () => {
  const cpu = await startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' });
  engines = { cpu, torch: await startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }) };
});

test.each(decodeCases.map((item) => [item.name, item] as const))('%s: as computed by hand', async (_, item) => {
  await switchTo(engines.torch);
  const before = live();
  const plain = decodeRun(item, sharedPrefixAttention.plain);
  const fused = decodeRun(item, sharedPrefixAttention);
  const values = byHand(
    item,
    plain.inputs.map((input, i) => drawn(input, item.name, i)),
  );
  // what a GPU runs, on the CPU's tensors
  await switchTo(engines.torch);
  const elsewhere = Object.create(tf.backend(), { device: { value: 'cuda:0' } }) as TorchBackend;
  const onCuda = decodeRun(item, decodeKernels(elsewhere).sharedPrefixAttention);
  const shape = [item.sources.length, item.heads, 4];
  const expected = { outputs: [{ shape, dtype: 'float32', values }], grads: [] };
  expectEqual(await runCase(engines.torch, { ...fused, gradient: 'none' }), expected);
  expectEqual(await runCase(engines.torch, { ...onCuda, gradient: 'none' }), expected);
  expectEqual(await runCase(engines.torch, { ...plain, gradient: 'none' }), expected);
  expectEqual(await runCase(engines.cpu, { ...plain, gradient: 'none' }), expected);
  await switchTo(engines.torch);
  expect(live()).toEqual(before);
});

test('row groups free all that they made, and gather nothing where they need not', async () => {
  await switchTo(engines.torch);
  const before = live();
  for (const sources of [
    [0, 0, 1, 1],
    [0, 1, 0, 1],
  ]) {
    const groups = rowGroups(sources, 2);
    expect(groups.uneven === undefined).toBe(sources[1] === 0);
    disposeRowGroups(groups);
  }
  expect(live()).toEqual(before);
});
