import * as tf from '@tensorflow/tfjs-core';
import { type KernelInput, defineKernel, inputList } from '../backend';
import { type Slot, aten, atenMany, torch, track } from '../binding';

const reshape = aten('reshape');
const unsqueeze = aten('unsqueeze');
const permute = aten('permute');
const repeat = aten('repeat');
const padConstant = aten('constant_pad_nd');
const flip = aten('flip');
const slice = aten('slice.Tensor');
const cat = aten('cat');
const stack = aten('stack');
const unbind = atenMany('unbind.int');
const split = atenMany('split_with_sizes');

interface StridedSliceAttributes {
  begin: number[];
  end: number[];
  strides: number[];
  beginMask: number;
  endMask: number;
  ellipsisMask: number;
  newAxisMask: number;
  shrinkAxisMask: number;
}

/** The same tensor in a slot of its own: no copy. */
function same(slot: Slot): Slot {
  return track(torch().alias(slot));
}

function axisOf(axis: number, input: KernelInput): number {
  return tf.util.parseAxisParam(axis, input.shape)[0];
}

function sliced(x: KernelInput, begin: number | number[], size: number | number[]): Slot {
  const [first, sizes] = tf.slice_util.parseSliceParams({ shape: x.shape, dtype: x.dtype, dataId: {} }, begin, size);
  tf.slice_util.assertParamsValid({ shape: x.shape, dtype: x.dtype, dataId: {} }, first, sizes);
  let result = x.slot;
  for (let axis = 0; axis < x.shape.length; axis++) {
    if (first[axis] !== 0 || sizes[axis] !== x.shape[axis]) result = slice(result, axis, first[axis], first[axis] + sizes[axis]);
  }
  return result === x.slot ? same(x.slot) : result;
}

function stridedSlice(x: KernelInput, attributes: StridedSliceAttributes): Slot {
  const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attributes;
  const info = tf.slice_util.sliceInfo(x.shape, begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask);
  let result = x.slot;
  // an empty result: the bounds cross, and libtorch would want them in order
  if (info.finalShapeSparse.some((size) => size === 0)) {
    result = info.finalShapeSparse.reduce<Slot>((slot, size, axis) => slice(slot, axis, 0, size), x.slot);
  } else {
    for (let axis = 0; axis < x.shape.length; axis++) {
      const [from, to, step] = [info.begin[axis], info.end[axis], info.strides[axis]];
      if (step > 0) result = slice(result, axis, from, to, step);
      else {
        // libtorch steps forwards only: turn the axis round
        const last = x.shape[axis] - 1;
        result = slice(flip(result, [axis]), axis, last - from, last - to, -step);
      }
    }
  }
  return reshape(result, info.finalShape);
}

/** Kernels that move elements and compute nothing. Most results are views, which share memory with their input. */
export function defineShapeKernels(): void {
  defineKernel('Identity', ({ x }) => same(x.slot));
  defineKernel<{ shape: number[] }>('Reshape', ({ x }, { shape }) =>
    reshape(x.slot, tf.util.inferFromImplicitShape(shape, tf.util.sizeFromShape(x.shape))),
  );
  defineKernel<{ dim: number }>('ExpandDims', ({ input }, { dim }) => unsqueeze(input.slot, dim));
  defineKernel<{ perm: number[] }>('Transpose', ({ x }, { perm }) => permute(x.slot, perm));
  defineKernel<{ reps: number[] }>('Tile', ({ x }, { reps }) => repeat(x.slot, reps));
  defineKernel<{ paddings: [number, number][]; constantValue: number }>('PadV2', ({ x }, { paddings, constantValue }) =>
    // libtorch counts from the last axis
    padConstant(x.slot, [...paddings].reverse().flat(), constantValue),
  );
  defineKernel<{ dims: number | number[] }>('Reverse', ({ x }, { dims }) => flip(x.slot, tf.util.parseAxisParam(dims, x.shape)));
  defineKernel<{ begin: number | number[]; size: number | number[] }>('Slice', ({ x }, { begin, size }) => sliced(x, begin, size));
  defineKernel<StridedSliceAttributes>('StridedSlice', ({ x }, attributes) => stridedSlice(x, attributes));
  defineKernel<{ axis: number }>('Concat', (inputs, { axis }) => {
    const list = inputList(inputs);
    return cat(
      list.map((input) => input.slot),
      axisOf(axis, list[0]),
    );
  });
  defineKernel<{ axis: number }>('Pack', (inputs, { axis }) =>
    stack(
      inputList(inputs).map((input) => input.slot),
      axis,
    ),
  );
  defineKernel<{ axis: number }>('Unpack', ({ value }, { axis }) => unbind(value.slot, axisOf(axis, value)));
  defineKernel<{ numOrSizeSplits: number | number[]; axis: number }>('SplitV', ({ x }, { numOrSizeSplits, axis }) => {
    const along = axisOf(axis, x);
    const shaped = { shape: x.shape, dtype: x.dtype, dataId: {} };
    return split(x.slot, tf.backend_util.prepareSplitSize(shaped, numOrSizeSplits, along), along);
  });
}
