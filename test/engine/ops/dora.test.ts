import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../../engine/engine';
import { addDora, mergedNorms } from '../../../engine/ops/dora';
import { onEachEngine } from '../conformance';

onEachEngine(() => {
  test.each([true, false])('norms of outputs, inputs first %s: as the definition has them', (inputFirst) => {
    const draw = (shape: [number, number], seed: number): tf.Tensor2D => tf.randomNormal(shape, 0, 1, 'float32', seed);
    const [w, a, b] = [draw(inputFirst ? [3, 4] : [4, 3], 1), draw([2, 3], 2), draw([4, 2], 3)];
    const [norms, expected] = [mergedNorms, mergedNorms.plain].map((f) => tf.tidy(() => f(w, a, b, 0.7, inputFirst).dataSync()));
    expect(norms.length).toBe(4);
    norms.forEach((norm, i) => expect(norm).toBeCloseTo(expected[i], 5));
    tf.dispose([w, a, b]);
  });

  test('the norms are a constant to the gradient', () => {
    const engine = currentEngine();
    const weight = engine.parameter(Float32Array.of(3, 0, 0, 1), [2, 2], false);
    const a = engine.parameter(Float32Array.of(0, 1), [1, 2], true);
    const b = engine.parameter(Float32Array.of(2, 0), [2, 1], true);
    const magnitude = engine.parameter(Float32Array.of(10, 3), [2], true, true);
    const x = tf.tensor2d([[1, 2]]);
    const compute = () => {
      const bare = tf.matMul<tf.Tensor2D>(x, weight as tf.Tensor as tf.Tensor2D, false, true);
      const lowRank = tf.matMul<tf.Tensor2D>(
        tf.matMul(x, a as tf.Tensor as tf.Tensor2D, false, true),
        b as tf.Tensor as tf.Tensor2D,
        false,
        true,
      );
      const norms = mergedNorms(weight, a, b, 2, false);
      const result = addDora(bare, bare, lowRank, magnitude, norms, 2);
      return { loss: tf.sum<tf.Scalar>(result), aux: { norms, result } };
    };
    const { loss, aux, grads } = engine.valueAndGrads(compute, [a, b, magnitude]);
    const close = (tensor: tf.Tensor, expected: number[]): void =>
      tensor.dataSync().forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
    // W + 2 B A = [[3, 4], [0, 1]]
    close(aux.norms, [5, 1]);
    close(aux.result, [2 * (3 + 8), 3 * 2]);
    // f · scale · Bᵀ · dy · x, f · scale · dy · (x · A), (x · Wᵀ + scale · lowRank) / norm
    close(grads[0], [2 * 2 * 2 * 1, 2 * 2 * 2 * 2]);
    close(grads[1], [2 * 2 * 2, 3 * 2 * 2]);
    close(grads[2], [11 / 5, 2]);
    tf.dispose([weight, a, b, magnitude, x, loss, grads, ...Object.values(aux)]);
  });
});
