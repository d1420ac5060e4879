import * as tf from '@tensorflow/tfjs-core';

/**
 * The values of `others` in the order of `values`, [B] each: beside the k-th smallest of `values` stands the k-th smallest of `others`, of equal
 * ones the first in the list first. Gradients flow to `others`. A loss that sums over sorted values needs no sorting of its own terms.
 */
export function alignedOrder(values: tf.Tensor1D, others: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => aligned(values, others) as tf.Tensor1D);
}

// comparisons have no gradient on tfjs's tape; libtorch knows that they have none
const aligned = tf.customGrad((...args) => {
  const [values, others, save] = args as [tf.Tensor1D, tf.Tensor1D, tf.GradSaveFunc];
  const isSame = tf.cast(tf.equal(tf.expandDims(ranks(values), 1), tf.expandDims(ranks(others), 0)), 'float32');
  save([isSame]);
  return {
    value: tf.sum(tf.mul(isSame, tf.expandDims(others, 0)), 1),
    gradFunc: (dy, [same]) => [tf.zerosLike(values), tf.sum(tf.mul(same, tf.expandDims(dy, 1)), 0)],
  };
});

/** How many values come before each in ascending order, [B]. */
function ranks(values: tf.Tensor1D): tf.Tensor1D {
  const [own, other] = [tf.expandDims(values, 1), tf.expandDims(values, 0)];
  const places = tf.range(0, values.shape[0], 1, 'int32');
  const isFirst = tf.logicalAnd(tf.equal(other, own), tf.less(tf.expandDims(places, 0), tf.expandDims(places, 1)));
  return tf.sum(tf.cast(tf.logicalOr(tf.less(other, own), isFirst), 'int32'), 1) as tf.Tensor1D;
}
