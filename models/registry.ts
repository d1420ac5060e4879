import { UserError } from '../util/errors';
import { lookup } from '../util/suggest';
import { bloom } from './bloom';
import { bert } from './classifiers/bert';
import { distilbert } from './classifiers/distilbert';
import { roberta } from './classifiers/roberta';
import { t5 } from './encoderDecoders/t5';
import { cohere } from './cohere';
import { cohere2 } from './cohere2';
import { gemma2 } from './gemma2';
import { gemma3 } from './gemma3';
import { gpt2 } from './gpt2';
import { gptNeox } from './gpt_neox';
import { llama } from './llama';
import { mistral } from './mistral';
import { qwen2 } from './qwen2';
import { qwen3 } from './qwen3';
import type { Architecture } from './types';

/** Every language model's architecture, by file name. */
const architectures = { bloom, cohere, cohere2, gemma2, gemma3, gpt2, gptNeox, llama, mistral, qwen2, qwen3 } as const;

const classifiers = { bert, distilbert, roberta } as const;

const encoderDecoders = { t5 } as const;

/** Each spelling of `model_type`. */
const byModelType: Readonly<Record<string, Architecture>> = Object.fromEntries(
  Object.values({ ...architectures, ...classifiers, ...encoderDecoders }).flatMap((architecture) =>
    // an architecture only ever sees configs of its own parseConfig, and readConfig refuses those for another task
    architecture.modelTypes.map((modelType) => [modelType, architecture as unknown as Architecture]),
  ),
);

/**
 * The architecture for a `model_type`.
 * @param file config.json, for the error
 * @throws UserError listing the known ones and the nearest
 */
export function architectureFor(modelType: string, file: string): Architecture {
  try {
    return lookup(byModelType, modelType, 'model_type');
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${file}: ${error.message}`) : error;
  }
}
