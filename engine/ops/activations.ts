import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';

/** `gelu` is the exact one (erf); `gelu_tanh` its tanh approximation (`gelu_new`, `gelu_pytorch_tanh` at Hugging Face). */
export type ActivationName = 'gelu' | 'gelu_tanh' | 'silu' | 'relu';

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

const formulas: Readonly<Record<ActivationName, (x: tf.Tensor) => tf.Tensor>> = {
  gelu: (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
  gelu_tanh: (x) =>
    tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), SQRT_2_OVER_PI)), 1)),
  silu: (x) => tf.mul(x, tf.sigmoid(x)),
  relu: (x) => tf.relu(x),
};

/** The activation by name, elementwise. */
export const activation = fused('activation', (x: tf.Tensor, name: ActivationName): tf.Tensor => formulas[name](x));

/** A gated unit's inner product: activation(gate) * up (SwiGLU, GeGLU). Both [T, F]. */
export const gated = fused('gated', (gate: tf.Tensor, up: tf.Tensor, name: ActivationName): tf.Tensor => tf.mul(formulas[name](gate), up));
