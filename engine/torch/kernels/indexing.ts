import * as tf from '@tensorflow/tfjs-core';
import { type KernelInput, defineKernel } from '../backend';
import { type Slot, aten, atenMany } from '../binding';

const reshape = aten('reshape');
const expand = aten('expand');
const indexSelect = aten('index_select');
const gather = aten('gather');
const index = aten('index.Tensor');
const indexPut = aten('index_put');
const unbind = atenMany('unbind.int');
const newZeros = aten('new_zeros');
const indexAdd = aten('index_add');
const slice = aten('slice.Tensor');
const lessScalar = aten('lt.Scalar');
const maskedFill = aten('masked_fill.Scalar');
const clampMax = aten('clamp_max');

/** x's slices along an axis, by number; the first `batchDims` axes of both go together. */
function gatherSlices(x: KernelInput, indices: KernelInput, axis: number, batchDims: number): Slot {
  const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(asTensor(x), asTensor(indices), axis, batchDims);
  if (info.batchSize === 1 && batchDims === 0) {
    const flat = indices.shape.length === 1 ? indices.slot : reshape(indices.slot, [-1]);
    const rows = indexSelect(x.slot, axis, flat);
    return indices.shape.length === 1 ? rows : reshape(rows, info.outputShape);
  }
  const { batchSize, outerSize, dimSize, sliceSize } = info;
  const count = tf.util.sizeFromShape(indices.shape.slice(batchDims));
  const places = expand(reshape(indices.slot, [batchSize, 1, count, 1]), [batchSize, outerSize, count, sliceSize]);
  return reshape(gather(reshape(x.slot, [batchSize, outerSize, dimSize, sliceSize]), 2, places), info.outputShape);
}

/** tfjs's shape helpers are declared for tensors and read the shape, the rank and the dtype. */
function asTensor(input: KernelInput): tf.TensorInfo & { rank: number } {
  return { shape: input.shape, dtype: input.dtype, dataId: {}, rank: input.shape.length };
}

/** The coordinates [..., K] as K tensors of numbers along each of the first K axes. */
function coordinates(indices: KernelInput): Slot[] {
  return unbind(indices.slot, -1);
}

/** Gathering and scattering. Numbers beyond the tensor are errors, as in tfjs. */
export function defineIndexingKernels(): void {
  defineKernel<{ axis: number; batchDims: number }>('GatherV2', ({ x, indices }, { axis, batchDims }) =>
    gatherSlices(x, indices, tf.util.parseAxisParam(axis, x.shape)[0], batchDims ?? 0),
  );
  defineKernel('GatherNd', ({ params, indices }) => {
    if (indices.shape[indices.shape.length - 1] > 0) return index(params.slot, coordinates(indices));
    // no coordinates: the whole of params each time
    return expand(params.slot, [...indices.shape.slice(0, -1), ...params.shape]);
  });
  // several updates of one place add up
  defineKernel<{ shape: number[] }>('ScatterNd', ({ indices, updates }, { shape }) =>
    indexPut(newZeros(updates.slot, shape), coordinates(indices), updates.slot, true),
  );
  defineKernel('TensorScatterUpdate', ({ tensor, indices, updates }) => indexPut(tensor.slot, coordinates(indices), updates.slot, false));
  // rows of no segment (a number below 0 or too large) go to a segment of their own, which is cut off
  defineKernel<{ numSegments: number }>('UnsortedSegmentSum', ({ x, segmentIds }, { numSegments }) => {
    const inner = x.shape.slice(segmentIds.shape.length);
    const rows = tf.util.sizeFromShape(segmentIds.shape);
    const ids = clampMax(maskedFill(segmentIds.slot, lessScalar(segmentIds.slot, 0), numSegments), numSegments);
    const target = newZeros(x.slot, [numSegments + 1, ...inner]);
    return slice(indexAdd(target, 0, reshape(ids, [rows]), reshape(x.slot, [rows, ...inner])), 0, 0, numSegments);
  });
}
