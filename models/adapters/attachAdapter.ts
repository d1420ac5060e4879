import * as tf from '@tensorflow/tfjs-core';
import { addDora, mergedNorms } from '../../engine/ops/dora';
import { addLowRank, bareProduct } from '../../engine/ops/linear';
import { patchWeight, unpatchWeight } from '../../engine/ops/weightPatches';
import type { Model } from '../types';
import { dropped } from './adapterDropout';
import type { Adapter, LoraModule } from './types';

/** The model with an adapter on its weights, which stay as they are. `disposeModel` frees both. */
export function attachAdapter(model: Model, adapter: Adapter): Model {
  for (const module of adapter.modules) {
    const weight = model.weights[`${module.name}.weight`];
    const inputFirst = model.architecture.inputFirst ?? false;
    patchWeight(weight, {
      linear: (x, output, bias) => {
        const seen = dropped(x, module.name, adapter.dropout);
        if (!module.magnitude) return addLowRank(output, seen, module.a, module.b, module.scale);
        const bare = bias ? tf.sub<tf.Tensor2D>(output, bias) : output;
        return withMagnitude(
          module,
          module.magnitude,
          weight,
          seen,
          output,
          seen === x ? bare : bareProduct(seen, weight, inputFirst),
          inputFirst,
        );
      },
    });
  }
  return { ...model, adapter };
}

/** DoRA. @param x what the low-rank part reads  @param bare x times the weight */
function withMagnitude(
  { a, b, scale }: LoraModule,
  magnitude: tf.Variable,
  weight: tf.Tensor,
  x: tf.Tensor2D,
  output: tf.Tensor2D,
  bare: tf.Tensor2D,
  inputFirst: boolean,
): tf.Tensor2D {
  const lowRank = bareProduct(bareProduct(x, a, false), b, false);
  return addDora(output, bare, lowRank, magnitude, mergedNorms(weight, a, b, scale, inputFirst), scale);
}

/** Takes a model's adapter off and frees it; the model's own weights stay. */
export function detachAdapter(model: Model): Model {
  const { adapter, ...base } = model;
  if (!adapter) return model;
  for (const { name } of adapter.modules) unpatchWeight(model.weights[`${name}.weight`]);
  Object.values(adapter.weights).forEach((weight) => weight.dispose());
  return base;
}

/** What training changes: the adapter's weights where the model has one, else all of its own. */
export function trainedWeights(model: Model): Readonly<Record<string, tf.Variable>> {
  return model.adapter?.weights ?? model.weights;
}
