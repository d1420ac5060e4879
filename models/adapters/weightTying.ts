import { UserError } from '../../util/errors';
import { transposed } from '../floats';
import type { SafetensorsFile } from '../safetensors';
import type { Architecture, BaseConfig } from '../types';
import { embeddingAndHead } from './adaptableModules';
import type { AdapterConfig } from './adapterConfig';
import { copyName, loraName } from './tensorNames';
import type { MatchedTensors } from './matchTensors';
import type { LoraModule, TiedModules } from './types';

/*
 * PEFT's `ensure_weight_tying`: what an adapter makes of an embedding it makes of the head that is tied to it. The weight W + s Aᵀ Bᵀ
 * of the embedding is W + s (Aᵀ) (Bᵀ) to the head: its A is the embedding's B transposed, its B the embedding's A.
 */

/** Names by which PEFT knows that an embedding or a head is adapted; it ties nothing where it meets others alone. */
const KNOWN_TO_PEFT = /(^|\.)(embed_tokens|lm_head)$/;

/**
 * The modules that an adapter's file holds as one, checked to be one.
 * @throws UserError where adapter_config.json says that they are and the file holds two, or one alone
 */
export async function tiedInFile(
  file: SafetensorsFile,
  config: AdapterConfig,
  { architecture, config: shape }: { architecture: Architecture; config: BaseConfig },
  { matched, whole }: MatchedTensors,
): Promise<TiedModules | undefined> {
  if (!config.ensureWeightTying || !shape.tiedHead) return undefined;
  const tied = embeddingAndHead(architecture, shape);
  const find = (name: string) => ({
    lora: matched.find(({ module }) => module.name === name)?.module,
    copy: whole.find(([weight]) => weight === `${name}.weight`)?.[0],
  });
  const [embedding, head] = [find(tied.embedding), find(tied.head)];
  const refusal = (text: string): UserError =>
    new UserError(
      `${file.path}: ensure_weight_tying is true in adapter_config.json, but ${text}; set it to false to use what is there as it is`,
    );
  const [first, second] = [embedding.lora ?? embedding.copy, head.lora ?? head.copy];
  if (first === undefined || second === undefined) {
    const [held, missing] = first === undefined ? [tied.head, tied.embedding] : [tied.embedding, tied.head];
    if ((first ?? second) !== undefined && KNOWN_TO_PEFT.test(held)) throw refusal(`there is ${held} and no ${missing}`);
    return undefined;
  }
  const isSame =
    embedding.lora && head.lora
      ? (await isTransposed(file, loraName(embedding.lora, 'A'), loraName(head.lora, 'B'))) &&
        (await isTransposed(file, loraName(embedding.lora, 'B'), loraName(head.lora, 'A')))
      : embedding.copy !== undefined &&
        head.copy !== undefined &&
        areEqual(await file.read(copyName(embedding.copy)), await file.read(copyName(head.copy)));
  if (!isSame) throw refusal(`${tied.embedding} and ${tied.head} differ`);
  return tied;
}

async function isTransposed(file: SafetensorsFile, name: string, other: string): Promise<boolean> {
  const [[rows, columns], mirrored] = [file.entries.get(name)!.shape, file.entries.get(other)!.shape];
  return mirrored.join() === [columns, rows].join() && areEqual(transposed(await file.read(name), rows, columns), await file.read(other));
}

const areEqual = (a: Float32Array, b: Float32Array): boolean => a.length === b.length && a.every((value, i) => value === b[i]);

/** The head's addition, made of its embedding's. @param magnitude DoRA's, the head's own */
export function tiedHead(
  { name, kind, inputFirst }: Pick<LoraModule, 'name' | 'kind' | 'inputFirst'>,
  embedding: LoraModule,
  scale: number,
): LoraModule {
  return { name, kind, inputFirst, scale, a: embedding.b, b: embedding.a, isTied: true };
}

/**
 * adapter_config.json with both names in its lists. PEFT writes the embedding's alone, and ties the two again when it opens the file
 * only where that is called `embed_tokens`.
 */
export function namingBoth(
  config: Readonly<Record<string, unknown>>,
  { modules, tied }: { modules: readonly LoraModule[]; tied?: TiedModules },
): Readonly<Record<string, unknown>> {
  if (!tied) return config;
  const field = modules.some(({ name }) => name === tied.head) ? 'target_modules' : 'modules_to_save';
  const list = config[field];
  if (!Array.isArray(list)) return config;
  const names = list as string[];
  const missing = [tied.embedding, tied.head].filter((name) => !names.some((given) => name === given || name.endsWith(`.${given}`)));
  return { ...config, [field]: [...names, ...missing] };
}
