import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { mergedNorms } from '../../engine/ops/dora';
import { randomStream, seedFrom } from '../../util/random';
import type { Model } from '../types';
import { loraScale, newAdapterConfig } from './adapterConfig';
import { namesForModules, targetModules } from './adaptableModules';
import { quantizationText } from './baseQuantization';
import { attachAdapter } from './attachAdapter';
import type { LoraModule, LoraOptions } from './types';

/** PEFT's name of a module's DoRA magnitudes. */
export const magnitudeName = (module: string): string => `base_model.model.${module}.lora_magnitude_vector`;

/** PEFT's names of a module's two matrices. */
export const loraName = (module: string, matrix: 'A' | 'B'): string => `base_model.model.${module}.lora_${matrix}.weight`;

/**
 * The model with a new adapter: A uniform in ±1/sqrt(I), as `nn.Linear` starts and PEFT with it, B zero, so that nothing is added yet; DoRA's
 * magnitudes are the weight's own norms.
 * @param base how adapter_config.json names the model
 * @throws UserError for a target that names nothing in the model
 */
export function createAdapter(model: Model, options: LoraOptions, base: string): Model {
  const { architecture, config } = model;
  const targets = targetModules(architecture, config, options.targets);
  const scale = loraScale(options.alpha, options.rank, options.rslora);
  const weights: Record<string, tf.Variable> = {};
  const engine = currentEngine();
  const modules = targets.map(({ name, inputs, outputs }): LoraModule => {
    const random = randomStream(seedFrom(options.seed, 'lora', name));
    const limit = 1 / Math.sqrt(inputs);
    const first = Float32Array.from({ length: options.rank * inputs }, () => (2 * random() - 1) * limit);
    const a = engine.parameter(first, [options.rank, inputs], true);
    const b = engine.parameter(new Float32Array(outputs * options.rank), [outputs, options.rank], true);
    weights[loraName(name, 'A')] = a;
    weights[loraName(name, 'B')] = b;
    if (!options.dora) return { name, scale, a, b };
    const norms = tf.tidy(() =>
      mergedNorms(model.weights[`${name}.weight`], a, b, scale, architecture.inputFirst ?? false)
        .dataSync<'float32'>()
        .slice(),
    );
    const magnitude = engine.parameter(norms, [outputs], true, true);
    weights[magnitudeName(name)] = magnitude;
    return { name, scale, a, b, magnitude };
  });
  const names = namesForModules(architecture, config, targets);
  const adapterConfig = newAdapterConfig(options, names, base, architecture.inputFirst ?? false);
  return attachAdapter(model, {
    config: adapterConfig,
    modules,
    weights,
    dropout: { rate: options.dropout ?? 0 },
    baseHash: model.filesHash ?? model.contentHash,
    ...(model.quantization && { trainedOn: quantizationText(model.quantization) }),
  });
}
