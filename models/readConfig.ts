import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../util/errors';
import { fileError, parseJson, readText } from '../util/files';
import { baseFolder } from './adapters/adapterFolder';
import { text } from './configFields';
import { refuseQuantized } from './refuseQuantized';
import { architectureFor } from './registry';
import type { Architecture, BaseConfig, ModelTask } from './types';
import { watchReads } from './unreadFields';

/** What a config.json says, as its architecture reads it. */
export interface ParsedConfig {
  task: ModelTask;
  architecture: Architecture;
  config: BaseConfig;
  rawConfig: Readonly<Record<string, unknown>>;
  configText: string;
  /** Fields that the architecture does not know. */
  unread: readonly string[];
}

/** Every task there is. */
export const ANY_TASK: readonly ModelTask[] = ['language', 'classification', 'encoder-decoder'];

const TASKS: Readonly<Record<ModelTask, string>> = {
  language: 'a language model',
  classification: 'a classifier, which serves as dpo-eval --scorer classifier:MODEL',
  'encoder-decoder': 'an encoder-decoder, which serves as dpo-eval --fluency-model',
};

/**
 * A folder's config.json (an adapter's base model's), parsed by its architecture.
 * @param tasks what the model may be for
 * @throws UserError naming the file and the field, or for a model of another kind
 */
export async function readConfig(named: string, tasks: readonly ModelTask[] = ['language']): Promise<ParsedConfig> {
  const folder = await baseFolder(named);
  let isFolder: boolean;
  try {
    isFolder = (await stat(folder)).isDirectory();
  } catch (error) {
    throw fileError(error, 'read model folder', folder);
  }
  if (!isFolder)
    throw new UserError(`${folder}: is a file; a model is a folder with config.json and model.safetensors or pytorch_model.bin`);
  return readConfigFile(join(folder, 'config.json'), tasks);
}

/** A config.json parsed by its architecture. @throws UserError as `readConfig` */
export async function readConfigFile(file: string, tasks: readonly ModelTask[] = ['language']): Promise<ParsedConfig> {
  const configText = await readText(file);
  const json = parseJson(configText, file);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new UserError(`${file}: must hold a JSON object`);
  const rawConfig = json as Record<string, unknown>;
  const architecture = architectureFor(text({ json: rawConfig, file }, 'model_type'), file);
  const own: ModelTask = architecture.task ?? 'language';
  if (!tasks.includes(own)) {
    const wanted = tasks.map((task) => TASKS[task]).join(', or ');
    throw new UserError(`${file}: model_type is ${JSON.stringify(rawConfig.model_type)}: ${TASKS[own]}; it must be ${wanted}`);
  }
  refuseQuantized({ json: rawConfig, file });
  const watched = watchReads(rawConfig);
  const config = architecture.parseConfig(watched.json, file);
  return { task: own, architecture, config, rawConfig, configText, unread: watched.unread() };
}
