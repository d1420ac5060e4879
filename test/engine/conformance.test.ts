import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../../engine/startEngine';
import { registerKernels } from '../../engine/torch/kernels/registerKernels';
import { expectEqual, live, onEachEngine, runCase, switchTo } from './conformance';
import { kernelCases } from './kernelCases';

test('case names differ: each has values of its own', () => {
  const names = kernelCases.map(({ name }) => name);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

beforeAll(() => startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' }));

onEachEngine((engines) => {
  const ran = new Set<string>();

  beforeAll(() => {
    const runKernel = tf.engine().runKernel.bind(tf.engine());
    jest.spyOn(tf.engine(), 'runKernel').mockImplementation((name, inputs, attributes) => {
      if (tf.getBackend() === engines.tested.name) ran.add(name);
      return runKernel(name, inputs, attributes);
    });
  });

  afterAll(() => jest.restoreAllMocks());

  test.each(kernelCases.map((item) => [item.name, item] as const))('%s', async (_, item) => {
    const before = live();
    const expected = await runCase(engines.cpu, item);
    const actual = await runCase(engines.tested, item);
    expectEqual(actual, expected, 2e-5, item.gradient === 'differences' ? 2e-3 : 2e-5);
    expect(live()).toEqual(before);
  });

  describe('multinomial', () => {
    const logits = (): tf.Tensor2D => tf.log(tf.tensor2d([0.1, 0.6, 0.3, 0, 1, 0], [2, 3]));

    test('draws follow the distribution, and the seed', async () => {
      const before = live();
      tf.tidy(() => {
        const draws = tf.multinomial(logits(), 4000, 7);
        expect(draws.dtype).toBe('int32');
        expect(draws.shape).toEqual([2, 4000]);
        const rows = draws.arraySync() as number[][];
        const shares = [0, 1, 2].map((k) => rows[0].filter((draw) => draw === k).length / 4000);
        // four standard deviations of a share of 0.6 over 4000 draws
        [0.1, 0.6, 0.3].forEach((probability, k) => expect(Math.abs(shares[k] - probability)).toBeLessThan(0.031));
        expect(rows[1].every((draw) => draw === 1)).toBe(true);
        expect(tf.multinomial(logits(), 4000, 7).arraySync()).toEqual(rows);
        expect(tf.multinomial(logits(), 4000, 8).arraySync()).not.toEqual(rows);
        const normalized = tf.multinomial(tf.exp(logits()) as tf.Tensor2D, 4000, 7, true).arraySync();
        expect(normalized).toEqual(rows);
      });
      expect(live()).toEqual(before);
    });
  });

  test('every kernel of the torch engine was compared', () => {
    // the others bring kernels for images and strings too, and none of them for LogSoftmax (below)
    expect(registerKernels().filter((name) => !ran.has(name))).toEqual(['LogSoftmax']);
  });
});

describe('torch', () => {
  beforeEach(async () => switchTo(await startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' })));

  test('logSoftmax has a kernel of its own too', () => {
    const [kernel, op] = tf.tidy(() => {
      const logits = tf.tensor2d([1, 2, 3, -4, 0, 4], [2, 3]);
      return [(tf.engine().runKernel('LogSoftmax', { logits }, { axis: 1 }) as tf.Tensor).dataSync(), tf.logSoftmax(logits).dataSync()];
    });
    kernel.forEach((value, i) => expect(value).toBeCloseTo(op[i], 5));
  });

  test('a number beyond the tensor is an error, and leaves no slot behind', () => {
    const before = live();
    tf.tidy(() => {
      const x = tf.ones([3, 2]);
      expect(() => tf.gather(x, tf.tensor1d([0, 3], 'int32'))).toThrow(/out of range/);
      expect(() => tf.matMul(x, tf.reshape(tf.ones([4]), [2, 2])).dataSync()).not.toThrow();
    });
    expect(live()).toEqual(before);
  });

  test('an operation without a kernel names the engines having it', () => {
    tf.tidy(() => {
      expect(() => tf.conv1d(tf.ones([1, 4, 1]) as tf.Tensor3D, tf.ones([2, 1, 1]) as tf.Tensor3D, 1, 'same')).toThrow(
        'the torch engine has no kernel for the operation Conv2D (engines that have it: wasm, tfjs)',
      );
    });
  });
});
