import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../../engine/engine';
import { type AttentionOptions, packedAttention } from '../../../engine/ops/attention';
import { type AttentionLayout, attentionIndex, disposeAttentionIndex, maskFor } from '../../../engine/ops/attentionIndex';
import { startEngine } from '../../../engine/startEngine';
import type { TorchBackend } from '../../../engine/torch/backend';
import { aten, scalarType, torch } from '../../../engine/torch/binding';
import { hasFlash, uploadLengths, usesOfRows } from '../../../engine/torch/packedLengths';

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

/** A prompt of three rows shared by two completions, and a sequence of its own. */
const shared: AttentionLayout = {
  rows: 9,
  queryRows: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8),
  queryLengths: Int32Array.of(3, 2, 1, 3),
  keyRows: Int32Array.of(0, 1, 2, 0, 1, 2, 3, 4, 0, 1, 2, 5, 6, 7, 8),
  keyLengths: Int32Array.of(3, 5, 4, 3),
};
const rowsInOrder = Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8);
const apart: AttentionLayout = {
  rows: 9,
  queryRows: rowsInOrder,
  keyRows: rowsInOrder,
  queryLengths: Int32Array.of(4, 5),
  keyLengths: Int32Array.of(4, 5),
};

/** Attention's value and the gradients of a weighted sum of it, by lengths or by the plain definition. */
function attend(byLengths: boolean, layout: AttentionLayout, heads: [number, number], options: AttentionOptions): number[][] {
  const weights = [heads[0], heads[1], heads[1]].map((count, i) =>
    currentEngine().parameter(tf.randomNormal([9, count, 8], 0, 1, 'float32', i + 1).dataSync<'float32'>(), [9, count, 8], true),
  );
  const [q, k, v] = weights as unknown as tf.Tensor3D[];
  const kernel = jest.spyOn(torch(), 'packedAttention');
  const values = tf.tidy(() => {
    const index = attentionIndex(layout, options.window ? { windows: [options.window] } : {});
    const lengths = uploadLengths(tf.backend() as TorchBackend, layout);
    const factors = tf.randomNormal([9, heads[0], 8], 0, 1, 'float32', 9);
    const { aux, grads } = currentEngine().valueAndGrads(() => {
      const out = byLengths
        ? packedAttention(q, k, v, { ...index, ...(lengths && { lengths }) }, options)
        : packedAttention.plain(q, k, v, index, options);
      return { loss: tf.sum(tf.mul(out, factors)), aux: { out } };
    }, weights);
    return [aux.out, ...grads].map((tensor) => [...tensor.dataSync<'float32'>()]);
  });
  expect(kernel).toHaveBeenCalledTimes(byLengths ? 1 : 0);
  kernel.mockRestore();
  tf.dispose(weights);
  return values;
}

describe.each([
  ['a shared prompt', shared],
  ['sequences apart', apart],
])('attention by cumulative lengths, %s', (_name, layout) => {
  test.each<[string, [number, number], AttentionOptions]>([
    ['full', [2, 2], { scale: 0.3 }],
    ['grouped queries', [4, 2], { scale: 0.3 }],
    ['a sliding window', [2, 1], { scale: 0.5, window: 2 }],
  ])('%s', (_case, heads, options) => {
    const wanted = attend(false, layout, heads, options);
    const found = attend(true, layout, heads, options);
    found.forEach((values, i) => values.forEach((value, j) => expect(value).toBeCloseTo(wanted[i][j], 5)));
  });
});

test('uses of rows: the places of each, filled up with the number of keys', () => {
  const { uses, most } = usesOfRows(Int32Array.of(0, 1, 0, 2), 4);
  expect({ uses: [...uses], most }).toEqual({ uses: [0, 2, 1, 4, 3, 4, 4, 4], most: 2 });
});

test('queries out of order have no lengths', () => {
  expect(uploadLengths(tf.backend() as TorchBackend, { ...apart, queryRows: Int32Array.from([...rowsInOrder].reverse()) })).toBeUndefined();
});

test('lengths are made where FlashAttention serves every layer, and nowhere else', () => {
  const capability = jest.spyOn(torch(), 'capability').mockReturnValue(80);
  const gpu = { device: 'cuda:0', floating: scalarType.bfloat16 } as TorchBackend;
  const needs = { headWidth: 64, windows: [4] };
  expect(hasFlash(gpu, shared, needs)).toBe(true);
  expect(hasFlash(gpu, shared, { ...needs, headWidth: 256 })).toBe(true);
  for (const other of [{ headWidth: 60 }, { headWidth: 264 }, { headWidth: 0 }, { attentionSoftcap: 50 }])
    expect(hasFlash(gpu, shared, { ...needs, ...other })).toBe(false);
  // one query a sequence
  expect(hasFlash(gpu, { ...shared, queryLengths: Int32Array.of(1, 1) }, needs)).toBe(false);
  expect(hasFlash({ ...gpu, floating: scalarType.float32 } as TorchBackend, shared, needs)).toBe(false);
  expect(hasFlash({ ...gpu, device: 'cpu' } as TorchBackend, shared, needs)).toBe(false);
  capability.mockReturnValue(75);
  expect(hasFlash(gpu, shared, needs)).toBe(false);
  capability.mockRestore();
});

test('where lengths serve, only the plain definition asks for a mask', () => {
  const runs = jest.spyOn(torch(), 'hasBlas').mockReturnValue(false);
  const plain = attentionIndex(shared, { windows: [2] });
  runs.mockRestore();
  const index = { ...plain, masks: new Map(), lengths: uploadLengths(tf.backend() as TorchBackend, shared)! };
  for (const window of [0, 2])
    tf.tidy(() => expect([...maskFor(index, { window }).dataSync()]).toEqual([...plain.masks.get(window)!.dataSync()]));
  disposeAttentionIndex(index);
  tf.dispose([...plain.masks.values()]);
});

test('FlashAttention takes the arguments that the kernel passes, as far as a machine without a GPU tells', () => {
  const flash = aten('_flash_attention_forward');
  const backend = tf.backend() as TorchBackend;
  const x = torch().fromBytes(new Float32Array(32), scalarType.float32, [4, 1, 8], scalarType.bfloat16, backend.device);
  const starts = torch().fromBytes(Int32Array.of(0, 4), scalarType.int32, [2], scalarType.int32, backend.device);
  expect(() => flash(x, x, x, starts, starts, 4, 4, 0, true, false, 0.5, 1, 0)).toThrow(/CPU/);
  [x, starts].forEach((slot) => torch().free(slot));
});
