import { bloom } from './architectures/bloom';
import { cohere2, commandR } from './architectures/cohere';
import { gemma2 } from './architectures/gemma2';
import { gemma3 } from './architectures/gemma3';
import { gpt2 } from './architectures/gpt2';
import { gptNeox } from './architectures/gptNeox';
import { llama } from './architectures/llama';
import { qwen2, qwen3 } from './architectures/qwen';
import type { GgufArchitecture } from './ggufArchitecture';

/**
 * By `general.architecture`. A new one is a file in `architectures/`, an entry here, and the model itself in `models/`. Mistral's files are
 * Llama's.
 */
export const GGUF_ARCHITECTURES: Readonly<Record<string, GgufArchitecture>> = {
  bloom,
  'command-r': commandR,
  cohere2,
  gemma2,
  gemma3,
  gpt2,
  gptneox: gptNeox,
  llama,
  qwen2,
  qwen3,
};
