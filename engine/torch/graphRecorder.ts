import * as tf from '@tensorflow/tfjs-core';
import type { GraphRecorder, RecordedWork, ValueAndGrads } from '../engine';
import type { TorchBackend } from './backend';
import { type Slot, aten, freeSlot, torch } from './binding';

/** What the compiled `graphs.cc` exports. Graphs are numbers. */
export interface GraphsAddon {
  useOwnStream(device: number): void;
  begin(): number;
  end(graph: number): void;
  launch(graph: number): void;
  release(graph: number): void;
}

const copyInto = aten('copy_');

/**
 * Records CUDA graphs. From here on all work goes to a stream of its own, since CUDA records none of the default one.
 * @param aroundRecording runs a recording: what watches the device's memory looks before and after
 */
export function graphRecorder(backend: TorchBackend, addon: GraphsAddon, aroundRecording: <T>(f: () => T) => T): GraphRecorder {
  addon.useOwnStream(Number(backend.device.split(':')[1] ?? 0));
  return {
    observe,
    overwrite: (target, values) => overwrite(backend, target, values),
    record: (f) => aroundRecording(() => record(backend, addon, f)),
  };
}

/** `GraphRecorder.observe` on any device. */
export function observe<T>(f: () => T): { result: T; uploads: number } {
  torch().noteUploads();
  let uploads = NaN;
  try {
    return { result: f(), uploads: (uploads = torch().endUploads()) };
  } finally {
    if (Number.isNaN(uploads)) torch().endUploads();
  }
}

/** Runs `f` with what the last `observe`d run uploaded in place of uploads. @throws Error where it uploads something else */
export function withNotedUploads<T>(f: () => T): T {
  torch().serveUploads();
  let ended = false;
  try {
    const result = f();
    ended = true;
    torch().endUploads();
    return result;
  } finally {
    if (!ended) quietly(() => torch().endUploads());
  }
}

/** `GraphRecorder.overwrite` on any device. */
export function overwrite(backend: TorchBackend, target: tf.Tensor, values: tf.Tensor): void {
  freeSlot(copyInto(backend.slotOf(target), backend.slotOf(values)));
}

function record(backend: TorchBackend, addon: GraphsAddon, f: () => ValueAndGrads): RecordedWork {
  const graph = addon.begin();
  try {
    let work: RecordedWork | undefined;
    tf.tidy(() => {
      const made = withNotedUploads(f);
      addon.end(graph);
      // in the graph's memory, which its next recordings use again: nothing holds it but the graph
      const place = <T extends tf.Tensor>(tensor: T): T => tf.keep(backend.tensor<T>(torch().unowned(backend.slotOf(tensor))));
      const results = {
        loss: place(made.loss),
        aux: Object.fromEntries(Object.entries(made.aux).map(([name, tensor]) => [name, place(tensor)])),
        grads: made.grads.map(place),
      };
      work = recorded(addon, graph, results, torch().takeUploads());
    });
    return work!;
  } catch (error) {
    quietly(() => addon.release(graph));
    torch().takeUploads().forEach(freeSlot);
    throw error;
  }
}

function recorded(addon: GraphsAddon, graph: number, results: ValueAndGrads, constants: readonly Slot[]): RecordedWork {
  return {
    results,
    launch: () => addon.launch(graph),
    dispose: () => {
      addon.release(graph);
      tf.dispose([results.loss, ...Object.values(results.aux), ...results.grads]);
      constants.forEach(freeSlot);
    },
  };
}

/** Where an error is on its way already. */
function quietly(f: () => void): void {
  try {
    f();
  } catch {
    // the first error says more
  }
}
