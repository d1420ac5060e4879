import * as tf from '@tensorflow/tfjs-core';
import { viaCpu } from '../viaCpu';

/**
 * Kernels of tfjs-node 4.22 that give other results than tfjs defines: FloorDiv calls its result float32, Multinomial draws its first numbers
 * differently each time and takes no probabilities.
 */
const WRONG = ['FloorDiv', 'Multinomial'];

/** Gives the tensorflow backend the kernels that it lacks, or has wrong, and tfjs's `cpu` backend has, on copies of their inputs. */
export function registerTensorflowKernels(): void {
  // the package that registers the `cpu` backend's kernels
  require('@tensorflow/tfjs');
  const define = (kernelName: string, kernelFunc: tf.KernelFunc): void => {
    const own = tf.getKernel(kernelName, 'tensorflow');
    if (own) tf.unregisterKernel(kernelName, 'tensorflow');
    tf.registerKernel({ ...own, kernelName, backendName: 'tensorflow', kernelFunc });
  };
  define('UnsortedSegmentSum', droppingStrangers(tf.getKernel('UnsortedSegmentSum', 'tensorflow').kernelFunc));
  for (const { kernelName, kernelFunc } of tf.getKernelsForBackend('cpu'))
    if (!tf.getKernel(kernelName, 'tensorflow') || WRONG.includes(kernelName)) define(kernelName, viaCpu(kernelFunc));
}

/** The gradient of gather: TensorFlow drops rows of negative segments and refuses those beyond the last, tfjs drops both. */
function droppingStrangers(kernel: tf.KernelFunc): tf.KernelFunc {
  return (call) => {
    const { x, segmentIds } = call.inputs as Readonly<Record<string, tf.TensorInfo>>;
    const { numSegments } = call.attrs as unknown as tf.UnsortedSegmentSumAttrs;
    const own = call.backend as tf.KernelBackend;
    // the package's kernels return tensors, which this scope would free otherwise
    return tf.tidy(() => {
      // a tensor of our own on the same data
      own.incRef(segmentIds.dataId);
      const ids = tf.engine().makeTensorFromTensorInfo(segmentIds);
      const kept = tf.where(tf.less(ids, numSegments), ids, tf.fill(ids.shape, -1, 'int32'));
      return kernel({ ...call, inputs: { x, segmentIds: kept } }) as tf.Tensor;
    });
  };
}
