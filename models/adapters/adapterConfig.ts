import { UserError } from '../../util/errors';
import { readJson } from '../../util/files';
import { fieldError, flag, positiveInteger, positiveNumber, text, type ConfigSource } from '../configFields';
import type { LoraOptions } from './types';

export const CONFIG_FILE = 'adapter_config.json';
export const WEIGHTS_FILE = 'adapter_model.safetensors';

/** What is read of adapter_config.json. */
export interface AdapterConfig {
  raw: Readonly<Record<string, unknown>>;
  /** The base model as the file names it; null where it names none. */
  base: string | null;
  rank: number;
  alpha: number;
  rslora: boolean;
  dora: boolean;
  /** `lora_dropout`, which acts in training alone. */
  dropout: number;
  /** Modules that it holds whole. */
  modulesToSave: readonly string[];
  /** A tied head's addition is its embedding's. */
  ensureWeightTying: boolean;
  rankPattern: Readonly<Record<string, number>>;
  alphaPattern: Readonly<Record<string, number>>;
}

/** Fields that change nothing of a trained adapter's result, beside those that are read. */
const WITHOUT_EFFECT = new Set([
  ...['task_type', 'auto_mapping', 'peft_version', 'revision', 'inference_mode', 'target_modules', 'exclude_modules', 'lora_dropout'],
  ...[
    'layers_to_transform',
    'layers_pattern',
    'modules_to_save',
    'megatron_core',
    'qalora_group_size',
    'fan_in_fan_out',
    'runtime_config',
    'eva_config',
  ],
  ...[
    'peft_type',
    'base_model_name_or_path',
    'r',
    'lora_alpha',
    'use_rslora',
    'use_dora',
    'rank_pattern',
    'alpha_pattern',
    'init_lora_weights',
    'bias',
    'ensure_weight_tying',
  ],
]);

/** First values that leave the base model as it is; the others (PiSSA, OLoRA, CorDA, LoftQ) change it. */
const INITIALISATIONS: readonly unknown[] = [true, false, 'gaussian', 'eva', 'orthogonal'];

/**
 * Reads and checks adapter_config.json.
 * @throws UserError naming the file and any field whose value would change the result and is not supported
 */
export async function readAdapterConfig(file: string): Promise<AdapterConfig> {
  const json = await readJson(file);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new UserError(`${file}: must hold a JSON object`);
  const raw = json as Record<string, unknown>;
  const source: ConfigSource = { json: raw, file };
  const type = text(source, 'peft_type');
  if (type !== 'LORA') throw fieldError(source, 'peft_type', type, 'LORA');
  const bias = text(source, 'bias', 'none');
  if (bias !== 'none') throw fieldError(source, 'bias', bias, 'none');
  const start = raw.init_lora_weights ?? true;
  if (!INITIALISATIONS.includes(start)) throw fieldError(source, 'init_lora_weights', start, INITIALISATIONS.join(', '));
  for (const [name, value] of Object.entries(raw)) {
    if (!WITHOUT_EFFECT.has(name) && !isEmpty(value))
      throw fieldError(source, name, value, 'absent: this kind of adapter is not supported');
  }
  return {
    raw,
    base: raw.base_model_name_or_path === null ? null : text(source, 'base_model_name_or_path', '') || null,
    rank: positiveInteger(source, 'r', 8),
    alpha: positiveNumber(source, 'lora_alpha', 8),
    rslora: flag(source, 'use_rslora', false),
    dora: flag(source, 'use_dora', false),
    dropout: dropoutRate(source),
    modulesToSave: names(source, 'modules_to_save'),
    ensureWeightTying: flag(source, 'ensure_weight_tying', false),
    rankPattern: pattern(source, 'rank_pattern'),
    alphaPattern: pattern(source, 'alpha_pattern'),
  };
}

function isEmpty(value: unknown): boolean {
  return value === null || value === false || (typeof value === 'object' && Object.keys(value).length === 0);
}

function dropoutRate(source: ConfigSource): number {
  const value = source.json.lora_dropout ?? 0;
  if (typeof value !== 'number' || !(value >= 0 && value < 1))
    throw fieldError(source, 'lora_dropout', value, 'a number from 0 to below 1');
  return value;
}

function names(source: ConfigSource, name: string): readonly string[] {
  const value = source.json[name] ?? [];
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string'))
    throw fieldError(source, name, value, 'a list of module names');
  return value;
}

function pattern(source: ConfigSource, name: string): Record<string, number> {
  const value = source.json[name] ?? {};
  const isTable = typeof value === 'object' && !Array.isArray(value);
  if (!isTable || !Object.values(value).every((entry) => typeof entry === 'number' && entry > 0))
    throw fieldError(source, name, value, 'an object of numbers above 0');
  return value as Record<string, number>;
}

/** Rank and factor of one module. PEFT: a pattern is a regular expression for the end of the module's name. */
export function moduleScale(config: AdapterConfig, module: string): { rank: number; scale: number } {
  const find = (table: Readonly<Record<string, number>>, fallback: number): number => {
    const key = Object.keys(table).find((expression) => new RegExp(`^(?:.*\\.)?(?:${expression})$`).test(module));
    return key === undefined ? fallback : table[key];
  };
  const rank = find(config.rankPattern, config.rank);
  return { rank, scale: loraScale(find(config.alphaPattern, config.alpha), rank, config.rslora) };
}

/** alpha / rank; rsLoRA: alpha / sqrt(rank). */
export function loraScale(alpha: number, rank: number, rslora: boolean): number {
  return alpha / (rslora ? Math.sqrt(rank) : rank);
}

/** adapter_config.json of a new adapter. @param modulesToSave modules that it holds whole  @param base how the base model is named  @param inputFirst its weights are GPT-2's Conv1D */
export function newAdapterConfig(
  options: LoraOptions,
  targets: readonly string[],
  modulesToSave: readonly string[],
  base: string,
  inputFirst: boolean,
): Record<string, unknown> {
  return {
    task_type: 'CAUSAL_LM',
    peft_type: 'LORA',
    base_model_name_or_path: base,
    inference_mode: true,
    r: options.rank,
    target_modules: targets,
    lora_alpha: options.alpha,
    lora_dropout: options.dropout ?? 0,
    fan_in_fan_out: inputFirst,
    bias: 'none',
    use_rslora: options.rslora,
    use_dora: options.dora ?? false,
    modules_to_save: modulesToSave.length > 0 ? modulesToSave : null,
    ...(options.ensureWeightTying && { ensure_weight_tying: true }),
    init_lora_weights: true,
    rank_pattern: {},
    alpha_pattern: {},
  };
}
