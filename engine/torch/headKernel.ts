import type * as tf from '@tensorflow/tfjs-core';
import { type HeadOptions, chunkedLogProbs } from '../ops/tokenLogProbs';
import type { TorchBackend } from './backend';
import { type Slot, aten, describe, freeSlot, scalarType, scoped, torch } from './binding';
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

/**
 * `chunkedLogProbs` with a backward of its own. With p = softmax(logits) and g the gradient of a row's log-probability,
 * d logits = g (onehot(target) - p): computed in place in the log-probabilities' memory, and added straight into the head's
 * gradient. One chunk keeps its log-probabilities for the backward pass; several compute them again.
 */
export function headKernel(backend: TorchBackend) {
  const slot = (tensor: tf.Tensor): Slot => backend.slotOf(tensor);

  /** [n, V] log-probabilities in float32. */
  const logProbsOf = (hidden: Slot, head: Slot, scale: number): Slot =>
    scoped(() => {
      const raw = plainLinear(backend, hidden, head);
      return op.logSoftmax(scale === 1 ? raw : op.mulNumber(raw, scale), 1, scalarType.float32);
    });

  const selected = (logProbs: Slot, targets: Slot): Slot => scoped(() => selectTargets(logProbs, targets));

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
      const scale = options.scale ?? 1;
      const rows = hidden.shape[0];
      const starts = Array.from({ length: Math.max(1, Math.ceil(rows / chunkRows)) }, (_, i) => i * chunkRows);
      const input = ((): Slot => {
        const type = describe(slot(head)).type;
        return describe(slot(hidden)).type === type ? torch().alias(slot(hidden)) : withoutRecording(() => op.cast(slot(hidden), type));
      })();
      const chunk = (x: Slot, start: number): Slot => op.slice(x, 0, start, Math.min(rows, start + chunkRows));
      let kept: Slot | undefined;
      const forward = (): Slot =>
        scoped(() => {
          const parts = starts.map((start) => {
            const logProbs = logProbsOf(chunk(input, start), slot(head), scale);
            const part = selected(logProbs, chunk(slot(targets), start));
            if (mode === 'segments' && starts.length === 1) kept = torch().alias(logProbs);
            freeSlot(logProbs);
            return part;
          });
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
          const headGrad = trainHead ? torch().ensureGrad(headSlot) : null;
          const parts = starts.map((start) =>
            scoped(() => {
              const x = chunk(input, start);
              const g = op.unsqueeze(chunk(gradient, start), 1);
              const probabilities = op.exp(kept ?? logProbsOf(x, headSlot, scale));
              const dense = op.scatterAdd(op.mul(probabilities, op.negative(g)), 1, op.unsqueeze(chunk(targetSlot, start), 1), g);
              const dLogits = op.cast(scale === 1 ? dense : op.mulNumber(dense, scale), describe(headSlot).type);
              if (headGrad !== null) op.addmmInto(headGrad, op.transpose(dLogits), x);
              return op.matmul(dLogits, headSlot);
            }),
          );
          if (headGrad !== null) freeSlot(headGrad);
          return [op.cast(op.cat(parts, 0), describe(own).type)];
        });
      const own = torch().alias(slot(hidden));
      const release = (): void => [input, headSlot, targetSlot, own, ...(kept === undefined ? [] : [kept])].forEach((s) => freeSlot(s));
      return addSegment(backend, [hidden], value, backward, release) as tf.Tensor1D;
    },
  };
}
