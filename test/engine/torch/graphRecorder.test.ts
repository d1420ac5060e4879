import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../../engine/engine';
import { startEngine } from '../../../engine/startEngine';
import type { TorchBackend } from '../../../engine/torch/backend';
import { torch } from '../../../engine/torch/binding';
import { graphRecorder, observe, withNotedUploads, type GraphsAddon } from '../../../engine/torch/graphRecorder';

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

const values = (tensor: tf.Tensor): number[] => [...tensor.dataSync()];
const uploading =
  (...lists: number[][]) =>
  (): tf.Tensor[] =>
    lists.map((list) => tf.tensor1d(list));

test('the same uploads have the same number; other values, shapes, types or order another', () => {
  const number = (f: () => unknown): number => tf.tidy(() => observe(f as () => tf.Tensor[]).uploads as never as number);
  const first = number(uploading([1, 2], [3]));
  expect(number(uploading([1, 2], [3]))).toBe(first);
  for (const other of [uploading([1, 2]), uploading([3], [1, 2]), uploading([1, 2], [4])]) expect(number(other)).not.toBe(first);
  expect(number(() => [tf.tensor2d([1, 2], [1, 2]), tf.tensor1d([3])])).not.toBe(first);
  expect(number(() => [tf.tensor1d([1, 2], 'bool'), tf.tensor1d([3])])).not.toBe(first);
});

test('work that is run again reads what it uploaded, and uploads nothing', () => {
  const live = torch().liveSlots();
  tf.tidy(() => {
    observe(uploading([1, 2], [3]));
    expect(withNotedUploads(uploading([1, 2], [3])).map(values)).toEqual([[1, 2], [3]]);
    const slots = torch().takeUploads();
    expect(slots.length).toBe(2);
    slots.forEach((slot) => torch().free(slot));
  });
  expect(torch().liveSlots()).toBe(live);
});

test('what uploads something else, more or less, when run again is refused; watching ends', () => {
  const again = (f: () => tf.Tensor[]) => (): unknown => tf.tidy(() => withNotedUploads(f));
  tf.tidy(() => void observe(uploading([1, 2], [3])));
  expect(again(uploading([1, 2], [4]))).toThrow('it uploads other values when it is run again');
  expect(again(uploading([1, 2], [3], [5]))).toThrow('it uploads other values');
  expect(again(uploading([1, 2]))).toThrow('it uploads less when it is run again');
  expect(() => observe(() => { throw new Error('inside'); })).toThrow('inside'); // prettier-ignore
  expect(values(tf.tensor1d([7]))).toEqual([7]);
});

/** An addon whose graphs end well, or not. */
function addonThat(fails?: 'begin' | 'end'): { addon: GraphsAddon; calls: string[] } {
  const calls: string[] = [];
  const call = (name: string) => (argument?: number) => {
    calls.push(argument === undefined ? name : `${name} ${argument}`);
    if (name === fails) throw new Error(`${name} failed`);
    return 7;
  };
  const addon = {
    useOwnStream: call('useOwnStream'),
    begin: call('begin'),
    end: call('end'),
    launch: call('launch'),
    release: call('release'),
  };
  return { addon, calls };
}

const work = (): ReturnType<ReturnType<typeof currentEngine>['valueAndGrads']> => {
  const weight = tf.variable(tf.tensor1d([1, 2]));
  const result = currentEngine().valueAndGrads(
    () => ({ loss: tf.sum(tf.square(weight)) as tf.Scalar, aux: { weight: tf.mul(weight, 2) } }),
    [weight],
  );
  weight.dispose();
  return result;
};

test('a recording begins, ends, is launched and released; its results stand where it left them', () => {
  const { addon, calls } = addonThat();
  const around: string[] = [];
  const recorder = graphRecorder(tf.backend() as TorchBackend, addon, (f) => {
    around.push('before');
    const result = f();
    around.push('after');
    return result;
  });
  const [tensors, slots] = [tf.memory().numTensors, torch().liveSlots()];
  tf.tidy(() => void recorder.observe(work));
  const { results, launch, dispose } = recorder.record(work);
  launch();
  expect(results.grads.map(({ shape }) => shape)).toEqual([[2]]);
  expect(Object.keys(results.aux)).toEqual(['weight']);
  dispose();
  expect(calls).toEqual(['useOwnStream 0', 'begin', 'end 7', 'launch 7', 'release 7']);
  expect(around).toEqual(['before', 'after']);
  expect([tf.memory().numTensors, torch().liveSlots()]).toEqual([tensors, slots]);
});

test('a recording that breaks leaves nothing behind', () => {
  const { addon, calls } = addonThat('end');
  const recorder = graphRecorder(tf.backend() as TorchBackend, addon, (f) => f());
  const tensors = tf.memory().numTensors;
  tf.tidy(() => void recorder.observe(work));
  expect(() => recorder.record(work)).toThrow('end failed');
  expect(torch().takeUploads()).toEqual([]);
  expect(() => recorder.record(() => { throw new Error('inside'); })).toThrow('inside'); // prettier-ignore
  expect(calls.filter((call) => call.startsWith('release')).length).toBe(2);
  expect(tf.memory().numTensors).toBe(tensors);
  expect(values(tf.tensor1d([7]))).toEqual([7]);
});
