import * as tf from '@tensorflow/tfjs-core';
import type { LossOutput, ValueAndGrads } from '../engine';
import type { TorchBackend } from './backend';
import { type Slot, aten, freeSlot, torch, typeOf } from './binding';

/*
 * Gradients by libtorch's autograd, and what it does not do by itself: pieces of the computation whose backward is ours
 * (`Segment`). A segment's result is a leaf, at which libtorch's backward stops and leaves the gradient; the segments are then
 * gone through from the last to the first, each turning its result's gradient into its inputs' gradients, which are pushed
 * further back.
 */

interface Segment {
  /** Slots of our own for the inputs, on the graph. */
  inputs: Slot[];
  /** Creation order of the newest input and of the result: tfjs's tensor ids. */
  newestInput: number;
  resultId: number;
  result: Slot;
  /** Gradients of the inputs (null: none needed, or added to a leaf already). The caller frees them. */
  backward(gradient: Slot): (Slot | null)[];
  /** Frees what the segment saved. */
  release(): void;
}

interface Recording {
  segments: Segment[];
  /** Additions to leaves' gradients that wait until libtorch has made the dense part: rows of embedding tables. */
  rowGradients: { table: Slot; ids: Slot; rows: Slot }[];
}

let recording: Recording | undefined;
let autograd = false;

/**
 * How a kernel must compute right now: `segments`, inside `valueAndGrads`, where it may record a segment of its own;
 * `autograd`, where a segment is being run again and only libtorch records; `off`, where nothing is differentiated.
 */
export function gradientMode(): 'segments' | 'autograd' | 'off' {
  return !autograd ? 'off' : recording ? 'segments' : 'autograd';
}

/** Runs `f` with libtorch's autograd on or off. */
function withAutograd<T>(on: boolean, f: () => T): T {
  const before = autograd;
  autograd = on;
  torch().recording(on);
  try {
    return f();
  } finally {
    autograd = before;
    torch().recording(before);
  }
}

/** Runs `f` with libtorch's autograd off. */
export function withoutRecording<T>(f: () => T): T {
  return withAutograd(false, f);
}

/**
 * Records a piece of the computation with a backward of its own.
 * @param inputs tensors on the graph  @param value the result, computed without recording; ownership passes to the segment
 * @returns the result as a tensor
 */
export function addSegment(
  backend: TorchBackend,
  inputs: readonly tf.Tensor[],
  value: Slot,
  backward: (gradient: Slot) => (Slot | null)[],
  release: () => void,
): tf.Tensor {
  if (!recording) throw new Error('internal: a segment outside a recording');
  const leaf = torch().detach(value, true);
  freeSlot(value);
  const tensor = backend.tensor(torch().alias(leaf));
  recording.segments.push({
    inputs: inputs.map((input) => torch().alias(backend.slotOf(input))),
    newestInput: Math.max(...inputs.map((input) => input.id)),
    resultId: tensor.id,
    result: leaf,
    backward,
    release,
  });
  return tensor;
}

/** Rows of a leaf table whose gradient is added row by row in the end, instead of through a dense gradient of the whole table. */
export function embeddingRows(backend: TorchBackend, table: tf.Tensor, ids: tf.Tensor, rows: Slot): tf.Tensor {
  if (!recording) throw new Error('internal: embedding rows outside a recording');
  const leaf = torch().detach(rows, true);
  freeSlot(rows);
  recording.rowGradients.push({
    table: torch().alias(backend.slotOf(table)),
    ids: torch().alias(backend.slotOf(ids)),
    rows: torch().alias(leaf),
  });
  return backend.tensor(leaf);
}

/** `Engine.recomputed` on libtorch: forward without a graph, forward again with one in the backward pass. */
export function recomputed<I extends tf.Tensor[], O extends tf.Tensor>(backend: TorchBackend, f: (...inputs: I) => O, inputs: I): O {
  if (gradientMode() !== 'segments') return f(...inputs);
  const value = withoutRecording(() => {
    const output = tf.tidy(() => f(...inputs));
    const slot = torch().alias(backend.slotOf(output));
    output.dispose();
    return slot;
  });
  // tfjs may free the inputs at the end of their scope: keep the data under slots of our own
  const kept = inputs.map((input) => ({ slot: torch().alias(backend.slotOf(input)), onGraph: backend.needsGrad(input) }));
  const backward = (gradient: Slot): (Slot | null)[] => {
    const leaves = kept.map(({ slot, onGraph }) => torch().detach(slot, onGraph));
    const tensors = leaves.map((leaf) => backend.tensor(torch().alias(leaf)));
    withAutograd(true, () =>
      tf.tidy(() => {
        const output = f(...(tensors as I));
        torch().backward([backend.slotOf(output)], [gradient], false);
      }),
    );
    tf.dispose(tensors);
    return leaves.map((leaf) => {
      const grad = torch().takeGrad(leaf);
      freeSlot(leaf);
      return grad < 0 ? null : (grad as Slot);
    });
  };
  return addSegment(backend, inputs, value, backward, () => kept.forEach(({ slot }) => freeSlot(slot))) as O;
}

function free({ inputs, result, release }: Segment): void {
  [...inputs, result].forEach(freeSlot);
  release();
}

/** Goes through the segments from the last to the first, after libtorch's backward from the loss, and frees them. */
function backwardThroughSegments(segments: Segment[]): void {
  let roots: Slot[] = [];
  let gradients: Slot[] = [];
  let newest = -1;
  const flush = (keepGraph: boolean): void => {
    if (roots.length > 0) torch().backward(roots, gradients, keepGraph);
    [...roots, ...gradients].forEach(freeSlot);
    [roots, gradients, newest] = [[], [], -1];
  };
  for (let segment = segments.at(-1); segment; segment = segments.at(-1)) {
    // an input made after this result may depend on it, or be it: its gradient must arrive first
    if (newest >= segment.resultId) flush(true);
    const gradient = torch().takeGrad(segment.result);
    if (gradient >= 0) {
      const { inputs, newestInput } = segment;
      segment.backward(gradient as Slot).forEach((grad, i) => {
        if (grad === null) return;
        if (!torch().needsGrad(inputs[i])) return freeSlot(grad);
        roots.push(torch().alias(inputs[i]));
        gradients.push(grad);
        newest = Math.max(newest, newestInput);
      });
      freeSlot(gradient as Slot);
    }
    // what it saved makes room for the gradients further back
    free(segments.pop()!);
  }
  flush(false);
}

const indexAdd = aten('index_add_');
const zeros = aten('zeros_like');
const cast = aten('to.dtype');

/** `Engine.valueAndGrads` on libtorch. */
export function valueAndGrads(backend: TorchBackend, f: () => LossOutput, weights: readonly tf.Variable[]): ValueAndGrads {
  if (recording) throw new Error('internal: valueAndGrads inside valueAndGrads');
  const current: Recording = { segments: [], rowGradients: [] };
  const addon = torch();
  const slots = weights.map((weight) => backend.slotOf(weight));
  recording = current;
  try {
    addon.requiresGrad(slots, true);
    return tf.tidy(() => {
      let aux: Readonly<Record<string, tf.Tensor>> = {};
      // the inner scope frees every intermediate tensor that the graph itself does not hold, before the backward pass
      const [loss, ...rest] = withAutograd(true, () =>
        tf.tidy(() => {
          const output = f();
          aux = output.aux ?? {};
          return [output.loss as tf.Tensor, ...Object.values(aux)];
        }),
      );
      recording = undefined;
      if (addon.needsGrad(backend.slotOf(loss))) addon.backward([backend.slotOf(loss)], null, current.segments.length > 0);
      backwardThroughSegments(current.segments);
      const result = {
        loss: backend.tensor<tf.Scalar>(addon.detach(backend.slotOf(loss), false)),
        aux: Object.fromEntries(Object.keys(aux).map((key, i) => [key, backend.tensor(addon.detach(backend.slotOf(rest[i]), false))])),
      };
      addRowGradients(current);
      const grads = slots.map((slot) => {
        const grad = addon.takeGrad(slot);
        return backend.tensor(grad < 0 ? zeros(slot) : (grad as Slot));
      });
      return { ...result, grads };
    });
  } finally {
    recording = undefined;
    addon.requiresGrad(slots, false);
    // there are some left only where f or the backward pass threw
    current.segments.forEach(free);
    for (const { table, ids, rows } of current.rowGradients) [table, ids, rows].forEach(freeSlot);
  }
}

/** Adds the rows' gradients to their tables' dense gradients, which libtorch made, or to zeros. */
function addRowGradients({ rowGradients }: Recording): void {
  for (const { table, ids, rows } of rowGradients) {
    const rowGrad = torch().takeGrad(rows);
    if (rowGrad < 0) continue;
    const dense = torch().ensureGrad(table);
    const matching = cast(rowGrad, typeOf(dense));
    freeSlot(indexAdd(dense, 0, ids, matching));
    [rowGrad as Slot, dense, matching].forEach(freeSlot);
  }
}
