import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../../engine/engine';
import type { TorchBackend } from '../../../engine/torch/backend';
import { torch } from '../../../engine/torch/binding';
import { addSegment, withoutRecording } from '../../../engine/torch/recorder';
import { startTestEngine } from '../../models/testEngine';

beforeAll(() => startTestEngine());

test('what a segment saved is freed before the gradients of what came before it are computed, and once', () => {
  const backend = tf.backend() as TorchBackend;
  const events: string[] = [];
  /** Twice its input. */
  const doubled = (x: tf.Tensor, name: string): tf.Tensor =>
    addSegment(
      backend,
      [x],
      withoutRecording(() => torch().detach(backend.slotOf(tf.mul(x, 2)), false)),
      (gradient) => {
        events.push(`backward ${name}`);
        const twice = withoutRecording(() => tf.mul(backend.tensor(torch().alias(gradient)), 2));
        return [torch().alias(backend.slotOf(twice))];
      },
      () => events.push(`release ${name}`),
    );
  const weight = currentEngine().parameter(Float32Array.of(3), [1], true);
  const { loss, grads } = tf.tidy(() => {
    const { loss, grads } = currentEngine().valueAndGrads(
      () => ({ loss: tf.sum<tf.Scalar>(doubled(tf.mul(doubled(weight, 'first'), weight), 'second')) }),
      [weight],
    );
    return { loss, grads };
  });
  expect([loss.dataSync()[0], grads[0].dataSync()[0]]).toEqual([36, 24]);
  expect(events).toEqual(['backward second', 'release second', 'backward first', 'release first']);
  tf.dispose([weight, loss, grads]);
});

test('weights that cannot be differentiated are refused, and the next ones are not', () => {
  const [gone, whole] = [0, 1].map(() => currentEngine().parameter(Float32Array.of(3), [1], true));
  const numbers = tf.tidy(() => tf.variable(tf.tensor1d([1], 'int32')));
  gone.dispose();
  const square = (weight: tf.Variable): number =>
    tf.tidy(
      () =>
        currentEngine()
          .valueAndGrads(() => ({ loss: tf.sum<tf.Scalar>(tf.square(weight)) }), [weight])
          .grads[0].dataSync()[0],
    );
  expect(() => square(gone)).toThrow('freed already');
  expect(() => square(numbers)).toThrow();
  expect(square(whole)).toBe(6);
  tf.dispose([whole, numbers]);
});
