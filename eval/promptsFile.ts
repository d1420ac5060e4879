import { writeAtomic } from '../util/files';
import type { Prompt } from './types';

/**
 * Writes prompts.jsonl of an evaluation's output folder: JSONL lines `{language, prompt}`, so that `readPrompts` reads it back with the same
 * indices and it can be given as `--prompts` again. Atomic.
 * @param prompts in the order of their indices within each language
 */
export async function writePromptsFile(path: string, prompts: readonly Prompt[]): Promise<void> {
  const seen = new Map<string, number>();
  for (const { language, index } of prompts) {
    const expected = seen.get(language) ?? 0;
    if (index !== expected) throw new Error(`internal: prompt ${index} of ${language} where ${expected} was expected`);
    seen.set(language, expected + 1);
  }
  await writeAtomic(path, prompts.map(({ language, text }) => `${JSON.stringify({ language, prompt: text })}\n`).join(''));
}
