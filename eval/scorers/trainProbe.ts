import * as tf from '@tensorflow/tfjs-core';
import { CholeskyDecomposition, Matrix } from 'ml-matrix';

/** A logistic regression on standardised features: p = sigmoid(Σ weights · (x - mean) / scale + bias). */
export interface LinearProbe {
  mean: Float64Array;
  scale: Float64Array;
  weights: Float64Array;
  bias: number;
}

export interface FitOptions {
  /** Inverse strength of the L2 penalty, scikit-learn's `C`: ½ |weights|² + C Σ loss is minimised; the bias is free. */
  c: number;
  /** Stops where no entry of the objective's gradient exceeds this, a row each. */
  tolerance?: number;
  maxIterations?: number;
}

/**
 * Fits a logistic regression with Newton's method (IRLS) after standardising the features, as scikit-learn's StandardScaler and
 * LogisticRegression do. Gradient and objective are taken in double precision; the Hessian, which only steers, by the engine.
 * @param features [N, D] row by row  @param labels [N], true for the positive class
 */
export async function trainProbe(features: Float32Array, labels: ArrayLike<boolean>, options: FitOptions): Promise<LinearProbe> {
  const rows = labels.length;
  const width = features.length / rows;
  if (!Number.isInteger(width)) throw new Error(`internal: ${features.length} features for ${rows} labels`);
  const { mean, scale } = moments(features, width);
  // a column of ones for the bias
  const columns = width + 1;
  const x = new Float32Array(rows * columns).fill(1);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < width; i++) x[row * columns + i] = (features[row * width + i] - mean[i]) / scale[i];
  const tolerance = (options.tolerance ?? 1e-9) * rows * options.c;
  let theta = new Float64Array(columns);
  let current = objective(x, labels, theta, options.c);
  for (let step = 0; step < (options.maxIterations ?? 50) && !current.gradient.every((value) => Math.abs(value) <= tolerance); step++) {
    const direction = await newtonDirection(x, current, columns, options.c);
    // far from the optimum a full step may overshoot
    let next = current;
    let factor = 1;
    for (; factor > 1e-6; factor /= 2) {
      const moved = theta.map((value, i) => value - factor * direction[i]);
      next = objective(x, labels, moved, options.c);
      if (next.value < current.value) {
        theta = moved;
        break;
      }
    }
    // no decrease left within rounding
    if (!(next.value < current.value)) break;
    current = next;
  }
  return { mean, scale, weights: theta.slice(0, width), bias: theta[width] };
}

/** Probabilities of the positive class. @param features [N, D] row by row */
export function applyProbe({ mean, scale, weights, bias }: LinearProbe, features: Float32Array): Float64Array {
  const width = weights.length;
  const result = new Float64Array(features.length / width);
  for (let row = 0; row < result.length; row++) {
    let logit = bias;
    for (let i = 0; i < width; i++) logit += (weights[i] * (features[row * width + i] - mean[i])) / scale[i];
    result[row] = sigmoid(logit);
  }
  return result;
}

/** Mean and (population) standard deviation of each column; 1 for a constant column. */
function moments(features: Float32Array, width: number): { mean: Float64Array; scale: Float64Array } {
  const rows = features.length / width;
  const mean = new Float64Array(width);
  const scale = new Float64Array(width);
  features.forEach((value, i) => (mean[i % width] += value));
  for (let i = 0; i < width; i++) mean[i] /= rows;
  features.forEach((value, i) => (scale[i % width] += (value - mean[i % width]) ** 2 / rows));
  // a constant column's variance is rounding of its mean
  return { mean, scale: scale.map((variance, i) => (variance > 1e-24 * mean[i] ** 2 ? Math.sqrt(variance) : 1)) };
}

interface Objective {
  value: number;
  gradient: Float64Array;
  /** C · p (1 - p), a row each: the weights of the Hessian Xᵀ W X. */
  curvature: Float32Array;
}

function objective(x: Float32Array, labels: ArrayLike<boolean>, theta: Float64Array, c: number): Objective {
  const columns = theta.length;
  const gradient = new Float64Array(columns);
  const curvature = new Float32Array(labels.length);
  let value = 0;
  for (let i = 0; i < columns - 1; i++) {
    value += (theta[i] * theta[i]) / 2;
    gradient[i] = theta[i];
  }
  for (let row = 0; row < labels.length; row++) {
    let logit = 0;
    for (let i = 0; i < columns; i++) logit += x[row * columns + i] * theta[i];
    const p = sigmoid(logit);
    // log(1 + exp(-z)), finite for every z
    const z = labels[row] ? logit : -logit;
    value += c * (Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z))));
    curvature[row] = c * p * (1 - p);
    const error = c * (p - (labels[row] ? 1 : 0));
    for (let i = 0; i < columns; i++) gradient[i] += error * x[row * columns + i];
  }
  return { value, gradient, curvature };
}

/** Hessian⁻¹ · gradient. */
async function newtonDirection(x: Float32Array, { gradient, curvature }: Objective, columns: number, c: number): Promise<number[]> {
  const product = tf.tidy(() => {
    const data = tf.tensor2d(x, [curvature.length, columns]);
    return tf.matMul(tf.mul(data, tf.tensor2d(curvature, [curvature.length, 1])), data, true);
  });
  const values = await product.data<'float32'>();
  product.dispose();
  const hessian = Matrix.from1DArray(columns, columns, values);
  for (let i = 0; i < columns; i++) {
    // the penalty's share; the bias has none but needs a trace where every p is 0 or 1
    hessian.set(i, i, hessian.get(i, i) + (i < columns - 1 ? 1 : 1e-9 * c));
    // float32 products are symmetric but for rounding
    for (let j = 0; j < i; j++) hessian.set(i, j, hessian.get(j, i));
  }
  return new CholeskyDecomposition(hessian).solve(Matrix.columnVector(Array.from(gradient))).to1DArray();
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
