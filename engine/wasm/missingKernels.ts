import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { viaCpu } from '../viaCpu';

type Infos = Readonly<Record<string, tf.TensorInfo>>;

/** Wrong in tfjs 4.22: OneHot rounds its values to whole numbers, FloorDiv calls its result float32. */
const WRONG = ['OneHot', 'FloorDiv'];

/** Over no elements they leave their result as the memory was. */
const REDUCTIONS = ['Sum', 'Mean', 'Max', 'Min', 'Prod', 'All', 'Any'];

function wasmKernel(name: string): tf.KernelFunc {
  return tf.getKernel(name, 'wasm').kernelFunc;
}

let registered = false;

/**
 * Gives the wasm backend every kernel that it lacks, or has wrong, and tfjs's `cpu` backend has. What training leans on is written on
 * wasm's own memory; the others copy their inputs to the `cpu` backend and their results back.
 */
export function registerMissingKernels(): void {
  if (registered) return;
  registered = true;
  const define = (kernelName: string, kernelFunc: tf.KernelFunc): void => {
    // its own kernel's set-up stays: what replaces it may call it
    const own = tf.getKernel(kernelName, 'wasm');
    if (own) tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({ ...own, kernelName, backendName: 'wasm', kernelFunc });
  };
  define('UnsortedSegmentSum', unsortedSegmentSum);
  define('Cast', castWith(wasmKernel('Cast')));
  define('Sum', exactSum(wasmKernel('Sum'), false));
  define('Mean', exactSum(wasmKernel('Mean'), true));
  for (const { kernelName, kernelFunc } of tf.getKernelsForBackend('cpu')) {
    const own = tf.getKernel(kernelName, 'wasm')?.kernelFunc;
    if (!own || WRONG.includes(kernelName)) define(kernelName, viaCpu(kernelFunc));
    else if (REDUCTIONS.includes(kernelName)) {
      const ofNothing = viaCpu(kernelFunc);
      define(kernelName, (call) => (tf.util.sizeFromShape((call.inputs as Infos).x.shape) > 0 ? own : ofNothing)(call));
    }
  }
}

/** wasm's own kernel copies numbers: a bool must be 0 or 1. */
function castWith(kernel: tf.KernelFunc): tf.KernelFunc {
  return (call) => {
    const x = (call.inputs as Infos).x;
    const { dtype } = call.attrs as unknown as tf.CastAttrs;
    if (dtype !== 'bool' || x.dtype === 'bool') return kernel(call);
    const wasm = call.backend as BackendWasm;
    const output = wasm.makeOutput(x.shape, 'bool');
    const bools = wasm.typedArrayFromHeap(output);
    wasm.typedArrayFromHeap(x).forEach((value, i) => (bools[i] = value === 0 ? 0 : 1));
    return output;
  };
}

/**
 * Sums and means of floats, added up in double precision: wasm's own kernel adds one value after the other in float32, where a norm over
 * a vocabulary's gradients loses digits and a sum of 2^25 ones stops at 2^24.
 */
function exactSum(own: tf.KernelFunc, mean: boolean): tf.KernelFunc {
  return (call) => {
    const { x } = call.inputs as Infos;
    if (x.dtype !== 'float32') return own(call);
    const wasm = call.backend as BackendWasm;
    const { axis, keepDims } = call.attrs as unknown as tf.SumAttrs;
    const axes = tf.util.parseAxisParam(axis, x.shape);
    const [kept, reduced] = tf.backend_util.computeOutAndReduceShapes(x.shape, axes);
    const perm = tf.backend_util.getAxesPermutation(axes, x.shape.length);
    const inner = perm ? (wasmKernel('Transpose')({ inputs: { x }, backend: wasm, attrs: { perm } }) as tf.TensorInfo) : x;
    const output = wasm.makeOutput(keepDims ? tf.backend_util.expandShapeToKeepDim(kept, axes) : kept, 'float32');
    const values = wasm.typedArrayFromHeap(inner);
    const sums = wasm.typedArrayFromHeap(output);
    const count = tf.util.sizeFromShape(reduced);
    for (let row = 0, i = 0; row < sums.length; row++) {
      let sum = 0;
      for (const end = i + count; i < end; i++) sum += values[i];
      sums[row] = mean ? sum / count : sum;
    }
    if (perm) wasm.disposeData(inner.dataId);
    return output;
  };
}

/** The gradient of gather: rows added up by segment; a segment number outside 0 … numSegments - 1 drops its row. */
const unsortedSegmentSum: tf.KernelFunc = ({ inputs, backend, attrs }) => {
  const wasm = backend as BackendWasm;
  const { x, segmentIds } = inputs as Infos;
  const { numSegments } = attrs as unknown as tf.UnsortedSegmentSumAttrs;
  const rowShape = x.shape.slice(segmentIds.shape.length);
  const width = tf.util.sizeFromShape(rowShape);
  const output = wasm.makeOutput([numSegments, ...rowShape], x.dtype);
  // views only now: an allocation may move the memory
  const sums = wasm.typedArrayFromHeap(output).fill(0);
  const rows = wasm.typedArrayFromHeap(x);
  const segments = wasm.typedArrayFromHeap(segmentIds);
  for (let row = 0; row < segments.length; row++) {
    const segment = segments[row];
    if (segment < 0 || segment >= numSegments) continue;
    for (let i = 0, from = row * width, to = segment * width; i < width; i++) sums[to + i] += rows[from + i];
  }
  return output;
};
