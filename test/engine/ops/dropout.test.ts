import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../../engine/engine';
import { dropout } from '../../../engine/ops/dropout';
import { onEachEngine } from '../conformance';

onEachEngine(() => {
  test('zeros a share of the values and scales the rest; the same for the same seed', () => {
    const x = tf.ones<tf.Rank.R2>([200, 50]);
    const draw = (seed: number): Float32Array => tf.tidy(() => dropout(x, 0.2, seed).dataSync<'float32'>().slice());
    const values = draw(3);
    const zeros = values.filter((value) => value === 0).length;
    expect(Math.abs(zeros / values.length - 0.2)).toBeLessThan(0.02);
    expect(values.every((value) => value === 0 || Math.abs(value - 1.25) < 1e-6)).toBe(true);
    draw(4);
    expect(draw(3)).toEqual(values);
    expect(draw(4)).not.toEqual(values);
    x.dispose();
  });

  test('the gradient passes where the value passed', () => {
    const x = tf.variable(tf.randomUniform([6, 7], 1, 2, 'float32', 5));
    const { loss, grads } = currentEngine().valueAndGrads(
      () => ({ loss: tf.sum(tf.mul(dropout(x as tf.Tensor as tf.Tensor2D, 0.5, 9), 3)) }),
      [x],
    );
    const expected = tf.tidy(() => tf.mul(tf.div(dropout(x as tf.Tensor as tf.Tensor2D, 0.5, 9), x), 3).dataSync<'float32'>());
    grads[0].dataSync<'float32'>().forEach((grad, i) => expect(grad).toBeCloseTo(expected[i], 5));
    expect(new Set(expected.map(Math.round))).toEqual(new Set([0, 6]));
    tf.dispose([x, loss, grads]);
  });
});
