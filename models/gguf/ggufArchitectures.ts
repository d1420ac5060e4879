import { gemma3 } from './architectures/gemma3';
import { gpt2 } from './architectures/gpt2';
import { llama } from './architectures/llama';
import type { GgufArchitecture } from './ggufArchitecture';

/** By `general.architecture`. A new one is a file in `architectures/`, an entry here, and the model itself in `models/`. */
export const GGUF_ARCHITECTURES: Readonly<Record<string, GgufArchitecture>> = { gemma3, gpt2, llama };
