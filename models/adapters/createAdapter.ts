import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { mergedNorms } from '../../engine/ops/dora';
import { UserError } from '../../util/errors';
import { randomStream, seedFrom, type Random } from '../../util/random';
import type { Model } from '../types';
import { loraScale, newAdapterConfig } from './adapterConfig';
import { linearModules, namesForModules, type AdaptableModule } from './adaptableModules';
import { chosenModules } from './chosenModules';
import { quantizationText } from './baseQuantization';
import { attachAdapter } from './attachAdapter';
import { moduleWeight } from './copies';
import { lowRank } from './lowRank';
import type { SavedModule } from './savedModules';
import { copyName, loraName, magnitudeName } from './tensorNames';
import type { LoraModule, LoraOptions } from './types';
import { tiedHead } from './weightTying';

/**
 * The model with a new adapter: A uniform in ±1/sqrt(I), as `nn.Linear` starts and PEFT with it, B zero, so that nothing is added yet; for an
 * embedding A zero and B normal, or uniform in ±1/sqrt(D) where its head shares them (PEFT starts the head last). DoRA's magnitudes are the weight's own norms.
 * @param base how adapter_config.json names the model
 * @throws UserError for a target that names nothing in the model
 */
export function createAdapter(model: Model, options: LoraOptions, base: string): Model {
  const { architecture, config } = model;
  const { targets, saved, tied } = chosenModules(architecture, config, options);
  refusePacked(model, saved);
  const scale = loraScale(options.alpha, options.rank, options.rslora);
  const weights: Record<string, tf.Variable> = {};
  const engine = currentEngine();
  const modules: LoraModule[] = [];
  const added = (target: AdaptableModule): LoraModule => {
    if (target.name === tied?.head)
      return tiedHead(
        target,
        modules.find(({ name }) => name === tied.embedding)!,
        scale,
      );
    const { name, kind, inputFirst } = target;
    const first = firstMatrices(target, options, name === tied?.embedding);
    const [a, b] = first.map(([values, shape]) => engine.parameter(values, shape, true));
    weights[loraName(target, 'A')] = a;
    weights[loraName(target, 'B')] = b;
    return { name, kind, inputFirst, scale, a, b };
  };
  for (const target of targets) {
    const { name, inputFirst } = target;
    const module = added(target);
    modules.push(module);
    if (!options.dora) continue;
    const norms = tf.tidy(() => {
      const { a, b } = lowRank(module);
      return mergedNorms(moduleWeight(model, name), a, b, scale, inputFirst).dataSync<'float32'>().slice();
    });
    const magnitude = engine.parameter(norms, [target.outputs], true, true);
    weights[magnitudeName(name)] = magnitude;
    module.magnitude = magnitude;
  }
  const copies: Record<string, tf.Variable> = {};
  for (const name of saved.flatMap((module) => (module.name === tied?.head ? [] : module.weights))) {
    const own = (model.weights[name] ?? moduleWeight(model, name.replace(/\.weight$/, ''))) as tf.Variable;
    copies[name] = engine.parameter(engine.readParameter(own), own.shape, true);
    weights[copyName(name)] = copies[name];
  }
  const names = namesForModules(architecture, config, targets);
  const whole = saved.map(({ name }) => name);
  const adapterConfig = newAdapterConfig(options, names, whole, base, architecture.inputFirst ?? false);
  return attachAdapter(model, {
    config: adapterConfig,
    modules,
    copies,
    ...(tied && { tied }),
    weights,
    dropout: { rate: options.dropout ?? 0 },
    baseHash: model.filesHash ?? model.contentHash,
    ...(model.quantization && { trainedOn: quantizationText(model.quantization) }),
  });
}

/** The first values of A and B, with their shapes. @param isShared an embedding's head has them too */
function firstMatrices(
  { name, kind, inputs, outputs }: AdaptableModule,
  { rank, seed }: LoraOptions,
  isShared: boolean,
): [Float32Array, number[]][] {
  const random = randomStream(seedFrom(seed, 'lora', name));
  const [a, b] = [new Float32Array(rank * inputs), new Float32Array(outputs * rank)];
  const uniform = (width: number): number => (2 * random() - 1) / Math.sqrt(width);
  if (kind === 'embedding') for (let i = 0; i < b.length; i++) b[i] = isShared ? uniform(outputs) : normal(random);
  else for (let i = 0; i < a.length; i++) a[i] = uniform(inputs);
  return [
    [a, [rank, inputs]],
    [b, [outputs, rank]],
  ];
}

/** A draw from the normal distribution, by Box and Muller. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function refusePacked({ architecture, config, quantization }: Model, saved: readonly SavedModule[]): void {
  if (!quantization) return;
  const packed = linearModules(architecture, config).find(({ name }) => saved.some((module) => module.name === name));
  if (packed)
    throw new UserError(
      `--lora-modules-to-save: ${packed.name} is kept in 4 bits, which cannot be trained; name it in --lora-targets instead`,
    );
}
