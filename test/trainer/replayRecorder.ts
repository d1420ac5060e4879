import * as tf from '@tensorflow/tfjs-core';
import type { GraphRecorder, ValueAndGrads } from '../../engine/engine';
import type { TorchBackend } from '../../engine/torch/backend';
import { torch } from '../../engine/torch/binding';
import { observe, overwrite, withNotedUploads } from '../../engine/torch/graphRecorder';

/** What a recorder does, on a CPU: a launch runs the function again, with the uploads that were noted, and writes its results over the first ones. */
export function replayRecorder(): { recorder: GraphRecorder; counts: { recorded: number; launched: number; live: number } } {
  const counts = { recorded: 0, launched: 0, live: 0 };
  const all = ({ loss, aux, grads }: ValueAndGrads): tf.Tensor[] => [loss, ...Object.values(aux), ...grads];
  const backend = tf.backend() as TorchBackend;
  const recorder: GraphRecorder = {
    observe,
    overwrite: (target, values) => overwrite(backend, target, values),
    record: (f) => {
      const results = tf.tidy(() => {
        const made = withNotedUploads(f);
        all(made).forEach((tensor) => tf.keep(tensor));
        return made as unknown as tf.TensorContainerObject;
      }) as unknown as ValueAndGrads;
      // nothing is computed before the first launch
      for (const tensor of all(results)) tf.tidy(() => overwrite(backend, tensor, tf.fill(tensor.shape, NaN)));
      torch()
        .takeUploads()
        .forEach((slot) => torch().free(slot));
      counts.recorded++;
      counts.live++;
      return {
        results,
        launch: () => {
          counts.launched++;
          tf.tidy(() => all(f()).forEach((tensor, i) => overwrite(backend, all(results)[i], tensor)));
        },
        dispose: () => {
          counts.live--;
          tf.dispose(all(results));
        },
      };
    },
  };
  return { recorder, counts };
}
