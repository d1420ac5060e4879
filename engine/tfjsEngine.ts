import * as tf from '@tensorflow/tfjs-core';
import type { Engine, LossOutput, ValueAndGrads } from './engine';

/**
 * An engine over any stock tfjs backend, with tfjs's own tape; `labels` name it for people. tfjs's `cpu` backend under it is the slow truth that the
 * conformance tests compare every other engine with.
 */
export function tfjsEngine(backend: string, labels: Partial<Pick<Engine, 'name' | 'device' | 'description'>> = {}): Engine {
  // the package that registers the gradients; the backends it brings share this copy of tfjs-core
  require('@tensorflow/tfjs');
  // whoever asks for this engine knows that it is slow: no banner
  tf.env().set('IS_NODE', false);
  return {
    name: 'tfjs',
    device: backend,
    precision: 'float32',
    description: `tfjs ${tf.version_core}, backend ${backend}`,
    parameter: (values, shape, trainable) => tf.tidy(() => tf.variable(tf.tensor(values, [...shape], 'float32'), trainable)),
    readParameter: (weight) => weight.dataSync<'float32'>().slice(),
    valueAndGrads,
    recomputed: (f, inputs) => f(...inputs),
    ...labels,
  };
}

function valueAndGrads(f: () => LossOutput, weights: readonly tf.Variable[]): ValueAndGrads {
  let aux: Record<string, tf.Tensor> = {};
  return tf.tidy(() => {
    const { value, grads } = tf.variableGrads(() => {
      const output = f();
      aux = Object.fromEntries(Object.entries(output.aux ?? {}).map(([key, tensor]) => [key, tf.keep(tensor)]));
      return output.loss;
    }, [...weights]);
    // kept inside the tape's scope, returned from this one: unkeep by cloning, so that the caller's tidy owns them
    const returned = Object.fromEntries(
      Object.entries(aux).map(([key, tensor]) => {
        const copy = tf.clone(tensor);
        tensor.dispose();
        return [key, copy];
      }),
    );
    return { loss: value, aux: returned, grads: weights.map((weight) => grads[weight.name] ?? tf.zerosLike(weight)) };
  });
}
