import { UserError } from '../../util/errors';
import type { SafetensorsFile } from '../safetensors';
import type { Model } from '../types';
import { adaptableModules, embeddingAndHead, untiedShapes, type AdaptableModule } from './adaptableModules';
import { moduleScale, type AdapterConfig } from './adapterConfig';
import { copyName, loraName, magnitudeName } from './tensorNames';

/** What is asked of the model that an adapter is read for. */
export interface AdapterBase extends Pick<Model, 'architecture' | 'config' | 'folder' | 'contentHash' | 'filesHash'> {
  /** The values of one of its weights. */
  ownValues(name: string): Float32Array | Promise<Float32Array>;
}

const PREFIX = 'base_model.model.';
const LORA = /^(.+)\.(?:lora_([AB])\.weight|lora_embedding_([AB])|(lora_magnitude_vector))$/;
/** PEFT stores the embedding and the head themselves beside an addition to either of them. */
const UNCHANGED = /^(.+)\.base_layer\.weight$/;

export interface MatchedModule {
  module: AdaptableModule;
  rank: number;
  scale: number;
}

/** What an adapter's file holds, by what it is to the model. */
export interface MatchedTensors {
  matched: MatchedModule[];
  /** Weights that stand in for the model's, with their shapes. */
  whole: [string, readonly number[]][];
  /** Modules whose own weight is stored as well. */
  unchanged: string[];
}

/** Every tensor of an adapter's file, checked against the model before any is read. @throws UserError naming the tensor */
export function matchTensors(file: SafetensorsFile, config: AdapterConfig, model: AdapterBase): MatchedTensors {
  const known = new Map(adaptableModules(model.architecture, model.config).map((module) => [module.name, module]));
  const shapes = untiedShapes(model.architecture, model.config);
  const names = new Set<string>();
  const result: MatchedTensors = { matched: [], whole: [], unchanged: [] };
  for (const tensor of file.entries.keys()) {
    const inner = tensor.startsWith(PREFIX) ? tensor.slice(PREFIX.length) : '';
    const [, adapted, linear, embedding, magnitude] = LORA.exec(inner) ?? [];
    const module = known.get(adapted);
    const base = UNCHANGED.exec(inner)?.[1];
    if (module && (magnitude ? config.dora : module.kind === (linear ? 'linear' : embedding ? 'embedding' : ''))) names.add(module.name);
    else if (base !== undefined && known.has(base)) result.unchanged.push(base);
    else if (config.modulesToSave.length > 0 && Object.hasOwn(shapes, inner)) result.whole.push([inner, shapes[inner]]);
    else
      throw new UserError(
        `${file.path}: ${tensor} fits no module of ${model.folder} (${model.config.modelType}): it is an adapter for another model, or of another kind`,
      );
  }
  if (names.size === 0 && result.whole.length === 0) throw new UserError(`${file.path}: holds no adapter weights`);
  for (const module of [...known.values()].filter(({ name }) => names.has(name))) {
    const { rank, scale } = moduleScale(config, module.name);
    checkShape(file, loraName(module, 'A'), [rank, module.inputs], model.folder);
    checkShape(file, loraName(module, 'B'), [module.outputs, rank], model.folder);
    if (config.dora) checkShape(file, magnitudeName(module.name), [module.outputs], model.folder);
    result.matched.push({ module, rank, scale });
  }
  for (const [name, shape] of result.whole) checkShape(file, copyName(name), shape, model.folder);
  return result;
}

function checkShape(file: SafetensorsFile, name: string, shape: readonly number[], folder: string): void {
  const found = file.entries.get(name)?.shape;
  if (!found) throw new UserError(`${file.path}: ${name} is missing`);
  if (found.join() !== shape.join()) {
    throw new UserError(`${file.path}: ${name} has shape [${found.join(', ')}], for ${folder} it must be [${shape.join(', ')}]`);
  }
}

/** A copy of the base model's weight may be rounded to 16 bits. */
const ROUNDED = 0.01;

/**
 * Checks that a base weight which an adapter's file holds is the model's own, so that it can be left out.
 * @param module its name  @throws UserError where it is another, as of an embedding that was resized
 */
export async function checkUnchanged(file: SafetensorsFile, module: string, model: AdapterBase): Promise<void> {
  const name = `${PREFIX}${module}.base_layer.weight`;
  const shapes = model.architecture.weightShapes(model.config);
  const { embedding } = embeddingAndHead(model.architecture, model.config);
  const weight = `${module}.weight` in shapes ? `${module}.weight` : `${embedding}.weight`;
  checkShape(file, name, shapes[weight], model.folder);
  const [stored, own] = [await file.read(name), await model.ownValues(weight)];
  let [largest, difference] = [0, 0];
  for (let i = 0; i < own.length; i++) {
    largest = Math.max(largest, Math.abs(own[i]));
    difference = Math.max(difference, Math.abs(own[i] - stored[i]));
  }
  if (!(difference <= ROUNDED * largest))
    throw new UserError(
      `${file.path}: ${name} is not the weight of ${model.folder}: the adapter was trained on another model, or on one changed since`,
    );
}
