import * as tf from '@tensorflow/tfjs-core';
import { type KernelInput, defineKernel } from '../backend';
import { type Slot, aten, atenMany, scalarType, torch, track, typeOf } from '../binding';

const sum = aten('sum.dim_IntList');
const mean = aten('mean.dim');
const prod = aten('prod.dim_int');
const amax = aten('amax');
const amin = aten('amin');
const any = aten('any.dims');
const all = aten('all.dims');
const argmax = aten('argmax');
const argmin = aten('argmin');
const cumsum = aten('cumsum');
const cumprod = aten('cumprod');
const flip = aten('flip');
const slice = aten('slice.Tensor');
const fullLike = aten('full_like');
const cat = aten('cat');
const topk = atenMany('topk');
const stableSort = atenMany('sort.stable');
const softmax = aten('softmax.int');
const logSoftmax = aten('log_softmax.int');
const searchSorted = aten('searchsorted.Tensor');

interface ReduceAttributes {
  axis: number | number[];
  keepDims: boolean;
}

interface ScanAttributes {
  axis: number;
  exclusive: boolean;
  reverse: boolean;
}

/** Sums, softmax and the like of half-width tensors come out as float32: what is small beside the sum must not get lost. */
function accumulationType(slot: Slot): number | undefined {
  const type = typeOf(slot);
  return type === scalarType.bfloat16 || type === scalarType.float16 ? scalarType.float32 : undefined;
}

/** Reduces over the axes; over none it is the tensor itself (libtorch takes no axes for all of them). */
function overAxes(x: KernelInput, axis: number | number[], reduce: (axes: number[]) => Slot): Slot {
  const axes = tf.util.parseAxisParam(axis, x.shape);
  return axes.length === 0 && x.shape.length > 0 ? track(torch().alias(x.slot)) : reduce(axes);
}

function product(x: KernelInput, axes: number[], keepDims: boolean): Slot {
  // highest first, so that the others keep their places
  const order = [...axes].sort((a, b) => b - a);
  const wide = accumulationType(x.slot);
  if (order.length === 0) return prod(x.slot, 0, keepDims, wide);
  return order.reduce<Slot>((slot, axis) => prod(slot, axis, keepDims, wide), x.slot);
}

/** A running sum or product; exclusive ones leave an element itself out, and begin with `identity`. */
function scan(run: (x: Slot, axis: number) => Slot, identity: number, x: KernelInput, { axis, exclusive, reverse }: ScanAttributes): Slot {
  const [along] = tf.util.parseAxisParam(axis, x.shape);
  const length = x.shape[along] ?? 1;
  let result = run(reverse ? flip(x.slot, [along]) : x.slot, along);
  if (exclusive && length > 0) {
    const first = fullLike(slice(result, along, 0, 1), identity);
    result = cat([first, slice(result, along, 0, length - 1)], along);
  }
  return reverse ? flip(result, [along]) : result;
}

/** Reductions, softmax, running sums, sorting: kernels that look along whole axes. */
export function defineReductionKernels(): void {
  defineKernel<ReduceAttributes>('Sum', ({ x }, { axis, keepDims }) =>
    overAxes(x, axis, (axes) => sum(x.slot, axes, keepDims ?? false, accumulationType(x.slot))),
  );
  defineKernel<ReduceAttributes>('Mean', ({ x }, { axis, keepDims }) =>
    overAxes(x, axis, (axes) =>
      mean(x.slot, axes, keepDims ?? false, x.dtype === 'float32' ? accumulationType(x.slot) : scalarType.float32),
    ),
  );
  defineKernel<ReduceAttributes>('Prod', ({ x }, { axis, keepDims }) => overAxes(x, axis, (axes) => product(x, axes, keepDims ?? false)));
  defineKernel<{ reductionIndices: number | number[]; keepDims: boolean }>('Max', ({ x }, { reductionIndices, keepDims }) =>
    overAxes(x, reductionIndices, (axes) => amax(x.slot, axes, keepDims ?? false)),
  );
  defineKernel<ReduceAttributes>('Min', ({ x }, { axis, keepDims }) => overAxes(x, axis, (axes) => amin(x.slot, axes, keepDims ?? false)));
  defineKernel<ReduceAttributes>('Any', ({ x }, { axis, keepDims }) => overAxes(x, axis, (axes) => any(x.slot, axes, keepDims ?? false)));
  defineKernel<ReduceAttributes>('All', ({ x }, { axis, keepDims }) => overAxes(x, axis, (axes) => all(x.slot, axes, keepDims ?? false)));
  defineKernel<{ axis: number | number[] }>('ArgMax', ({ x }, { axis }) => argmax(x.slot, tf.util.parseAxisParam(axis, x.shape)[0]));
  defineKernel<{ axis: number | number[] }>('ArgMin', ({ x }, { axis }) => argmin(x.slot, tf.util.parseAxisParam(axis, x.shape)[0]));

  defineKernel<{ dim: number }>('Softmax', ({ logits }, { dim }) => softmax(logits.slot, dim, accumulationType(logits.slot)));
  defineKernel<{ axis: number }>('LogSoftmax', ({ logits }, { axis }) => logSoftmax(logits.slot, axis, accumulationType(logits.slot)));

  defineKernel<ScanAttributes>('Cumsum', ({ x }, attributes) =>
    scan((slot, axis) => cumsum(slot, axis, accumulationType(x.slot)), 0, x, attributes),
  );
  defineKernel<ScanAttributes>('Cumprod', ({ x }, attributes) =>
    scan((slot, axis) => cumprod(slot, axis, accumulationType(x.slot)), 1, x, attributes),
  );

  // all of them is a sort, stable as tfjs's; among fewer, equal values may come in any order
  defineKernel<{ k: number; sorted: boolean }>('TopK', ({ x }, { k, sorted }) =>
    k === x.shape[x.shape.length - 1] ? stableSort(x.slot, true, -1, true) : topk(x.slot, k, -1, true, sorted),
  );
  defineKernel<{ side: 'left' | 'right' }>('SearchSorted', ({ sortedSequence, values }, { side }) =>
    searchSorted(sortedSequence.slot, values.slot, false, side === 'right'),
  );
}
