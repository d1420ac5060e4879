import type * as tf from '@tensorflow/tfjs-core';
import { type HeadOptions, chunkedLogProbs } from '../ops/tokenLogProbs';
import type { TorchBackend } from './backend';
import { type Slot, aten, freeSlot, resultSlot, scalarType, scoped, torch, track, typeOf } from './binding';
import { plainLinear, selectTargets } from './fusedKernels';
import { addSegment, gradientMode, withoutRecording } from './recorder';

const op = {
  addmmInto: aten('addmm_'),
  cast: aten('to.dtype'),
  cat: aten('cat'),
  exp: aten('exp_'),
  logSoftmax: aten('log_softmax.int'),
  matmul: aten('matmul'),
  mul: aten('mul_.Tensor'),
  mulNumber: aten('mul_.Scalar'),
  negative: aten('neg'),
  scatterAdd: aten('scatter_add_'),
  slice: aten('slice.Tensor'),
  transpose: aten('t'),
  unsqueeze: aten('unsqueeze'),
};

/** What a chunk's backward needs: its log-probabilities [n, V]; or its logits with the logarithms of their sums [n]. */
interface Kept {
  values: Slot;
  sums?: Slot;
}

/**
 * `chunkedLogProbs` with a backward of its own. With p = softmax(logits) and g the gradient of a row's log-probability,
 * d logits = g (onehot(target) - p): computed in place in the log-probabilities' memory, and added straight into the head's
 * gradient. One chunk keeps its log-probabilities for the backward pass; several compute them again.
 * On CPUs one pass over the logits gives the log-probabilities, and one their gradients (`headLogProbs.h`).
 */
export function headKernel(backend: TorchBackend) {
  const slot = (tensor: tf.Tensor): Slot => backend.slotOf(tensor);

  /** A chunk's log-probabilities of its targets, [n], and what its backward needs. */
  const chunkOf = (hidden: Slot, head: Slot, targets: Slot, scale: number): [Slot, Kept] => {
    const raw = plainLinear(backend, hidden, head);
    if (onePass(backend, raw)) {
      torch().headForward(raw, targets, scale);
      const [values, sums] = [resultSlot(0), resultSlot(1)].map(track);
      return [values, { values: raw, sums }];
    }
    const scaled = scale === 1 ? raw : op.mulNumber(raw, scale);
    const values = op.logSoftmax(scaled, 1, scalarType.float32);
    new Set([raw, scaled]).forEach((s) => freeSlot(s));
    return [scoped(() => selectTargets(values, targets)), { values }];
  };

  return {
    chunkedLogProbs: (
      hidden: tf.Tensor2D,
      head: tf.Tensor2D,
      targets: tf.Tensor1D,
      options: HeadOptions,
      chunkRows: number,
    ): tf.Tensor1D => {
      const mode = gradientMode();
      if (options.softcap || mode === 'autograd') return chunkedLogProbs.plain(hidden, head, targets, options, chunkRows);
      const scale = (options.scale ?? 1) * (options.sharpness ?? 1);
      const rows = hidden.shape[0];
      const starts = Array.from({ length: Math.max(1, Math.ceil(rows / chunkRows)) }, (_, i) => i * chunkRows);
      const input = ((): Slot => {
        const type = typeOf(slot(head));
        return typeOf(slot(hidden)) === type ? torch().alias(slot(hidden)) : withoutRecording(() => op.cast(slot(hidden), type));
      })();
      const chunk = (x: Slot, start: number): Slot => op.slice(x, 0, start, Math.min(rows, start + chunkRows));
      const slotsOf = ({ values, sums }: Kept): Slot[] => (sums === undefined ? [values] : [values, sums]);
      let kept: Kept | undefined;
      const forward = (): Slot =>
        scoped(() => {
          const parts = starts.map((start) =>
            scoped(() => {
              const [part, { values, sums }] = chunkOf(chunk(input, start), slot(head), chunk(slot(targets), start), scale);
              if (mode === 'segments' && starts.length === 1)
                kept = { values: torch().alias(values), ...(sums !== undefined && { sums: torch().alias(sums) }) };
              return part;
            }),
          );
          return op.cat(parts, 0);
        });
      const value = withoutRecording(forward);
      if (mode === 'off') {
        freeSlot(input);
        return backend.tensor<tf.Tensor1D>(value);
      }

      const [headSlot, targetSlot] = [torch().alias(slot(head)), torch().alias(slot(targets))];
      const trainHead = torch().needsGrad(headSlot);
      const backward = (gradient: Slot): (Slot | null)[] =>
        scoped(() => {
          const parts = starts.map((start) =>
            scoped(() => {
              const [x, target] = [chunk(input, start), chunk(targetSlot, start)];
              const { values, sums } = kept ?? chunkOf(x, headSlot, target, scale)[1];
              if (sums !== undefined)
                return track(torch().headBackward(values, sums, target, chunk(gradient, start), x, headSlot, scale, trainHead));
              const g = op.unsqueeze(chunk(gradient, start), 1);
              const probabilities = op.exp(values);
              const dense = op.scatterAdd(op.mul(probabilities, op.negative(g)), 1, op.unsqueeze(target, 1), g);
              const dLogits = op.cast(scale === 1 ? dense : op.mulNumber(dense, scale), typeOf(headSlot));
              if (trainHead) {
                const headGrad = track(torch().ensureGrad(headSlot));
                op.addmmInto(headGrad, op.transpose(dLogits), x);
              }
              return op.matmul(dLogits, headSlot);
            }),
          );
          return [op.cast(op.cat(parts, 0), typeOf(own))];
        });
      const own = torch().alias(slot(hidden));
      const release = (): void => [input, headSlot, targetSlot, own, ...(kept ? slotsOf(kept) : [])].forEach((s) => freeSlot(s));
      return addSegment(backend, [hidden], value, backward, release) as tf.Tensor1D;
    },
  };
}

/** Whether `headLogProbs.h` serves these logits. */
function onePass(backend: TorchBackend, logits: Slot): boolean {
  return backend.device === 'cpu' && typeOf(logits) === scalarType.float32 && torch().hasBlas();
}
