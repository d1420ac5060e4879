import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../fused';

/*
 * DoRA (arXiv 2402.09353), as PEFT computes it: a weight is W' = m / |W + s B A| · (W + s B A), the norm taken over each output's inputs.
 */

/**
 * The norm of each output's weights in W + scale · B · A. It is a constant to the gradient, as section 4.3 of the paper has it.
 * @param weight [O, I], or [I, O] where `inputFirst`  @param a [R, I]  @param b [O, R]
 * @returns [O], float32
 */
export const mergedNorms = fused(
  'mergedNorms',
  (weight: tf.Tensor, a: tf.Tensor, b: tf.Tensor, scale: number, inputFirst: boolean): tf.Tensor1D => {
    const constant = tf.customGrad((w, first, second) => ({
      value: tf.tidy(() => {
        const delta = tf.mul(tf.matMul(second as tf.Tensor2D, first as tf.Tensor2D), scale);
        return tf.norm(tf.add(inputFirst ? tf.transpose(w as tf.Tensor2D) : (w as tf.Tensor2D), delta), 'euclidean', 1);
      }),
      gradFunc: () => [w, first, second].map((input) => tf.zerosLike(input as tf.Tensor)),
    }));
    return constant(weight, a, b) as tf.Tensor1D;
  },
);

/**
 * output + (f - 1) · base + f · scale · lowRank with f = magnitude / norms: what DoRA makes of a module's result.
 * @param output [T, O], bias and all  @param base [T, O]: x · Wᵀ without a bias  @param lowRank [T, O]: (x · Aᵀ) · Bᵀ
 * @param magnitude [O]  @param norms [O]
 */
export const addDora = fused(
  'addDora',
  (output: tf.Tensor2D, base: tf.Tensor2D, lowRank: tf.Tensor2D, magnitude: tf.Tensor, norms: tf.Tensor1D, scale: number): tf.Tensor2D => {
    const factor = tf.div(magnitude, norms);
    return tf.add(output, tf.add(tf.mul(base, tf.sub(factor, 1)), tf.mul(lowRank, tf.mul(factor, scale))));
  },
);
