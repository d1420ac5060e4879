import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ChatTemplate } from '../models/chatTemplate';
import type { TextTokenizer } from '../models/tokenizer';
import type { Model } from '../models/types';
import { UserError } from '../util/errors';
import { readJson } from '../util/files';
import type { Progress } from '../util/progress';
import { readGenerations, writeGenerations } from './arrowFiles';
import type { EvalConfig } from './evalConfig';
import { generate } from './generate';
import { openParts } from './generationParts';
import type { Generation, Prompt } from './types';

/**
 * Continues every prompt and writes generations.arrow, in the order of prompts and samples. What an earlier run left in the output
 * folder is taken as it is: the caller has made sure that its options were the same.
 * @param encoded the prompts' token ids, by `encodePrompts`
 */
export async function generateContinuations(
  loadPolicy: () => Promise<Model>,
  tokenizer: TextTokenizer,
  prompts: readonly Prompt[],
  encoded: readonly Int32Array[],
  config: EvalConfig,
  progress: Progress,
): Promise<Generation[]> {
  const file = join(config.output, 'generations.arrow');
  if (existsSync(file)) return readGenerations(file);
  const parts = await openParts(config.output);
  const model = await loadPolicy();
  const before = prompts.map((_, i) => tokenizer.decode(encoded[i]));
  const fresh: Generation[] = [];
  await generate(
    model,
    encoded,
    {
      samples: config.samples,
      maxNewTokens: config.maxNewTokens,
      temperature: config.temperature,
      topP: config.topP,
      batchSize: config.batchSize,
      seed: config.seed,
      stopIds: await stopTokens(config.model, tokenizer),
      streamKey: (p, sample) => [prompts[p].language, prompts[p].index, sample],
      skip: (p, sample) => parts.has({ language: prompts[p].language, promptIndex: prompts[p].index, sampleIndex: sample }),
      onBatch: async (batch) => {
        const rows = batch.map(({ prompt: p, sample, tokens }): Generation => {
          const { language, index } = prompts[p];
          return { language, promptIndex: index, sampleIndex: sample, text: newText(tokenizer, encoded[p], before[p], tokens), tokens };
        });
        fresh.push(...rows);
        await parts.add(rows);
      },
    },
    progress,
  );
  const order = new Map([...new Set(prompts.map(({ language }) => language))].map((language, i) => [language, i]));
  const all = [...parts.finished, ...fresh].sort(
    (a, b) => order.get(a.language)! - order.get(b.language)! || a.promptIndex - b.promptIndex || a.sampleIndex - b.sampleIndex,
  );
  await writeGenerations(file, all);
  await parts.remove();
  return all;
}

/** Token ids of every prompt, with a chat template as a user's turn that the assistant is to answer. @throws UserError for one that gives none, or leaves no room in a context of `maxPositions` */
export function encodePrompts(
  tokenizer: TextTokenizer,
  template: ChatTemplate | null,
  prompts: readonly Prompt[],
  maxPositions: number,
  maxNewTokens: number,
): Int32Array[] {
  return prompts.map(({ language, index, text }) => {
    const tokens = template ? turnTokens(tokenizer, template, text) : promptTokens(tokenizer, text);
    const name = `${language}, prompt ${index + 1}`;
    if (tokens.length === 0) throw new UserError(`--prompts: ${name} gives no token to continue from`);
    if (tokens.length + maxNewTokens > maxPositions)
      throw new UserError(
        `--prompts: ${name} is too long: ${tokens.length} tokens and --max-new-tokens ${maxNewTokens}, the model's context holds ${maxPositions}`,
      );
    return tokens;
  });
}

function turnTokens(tokenizer: TextTokenizer, template: ChatTemplate, text: string): Int32Array {
  return Int32Array.from(tokenizer.encode(template.render([{ role: 'user', content: text }], { generationPrompt: true })));
}

/** A prompt's ids as in training: the start that the tokenizer's own template gives, and no end-of-sequence token that it may add. */
export function promptTokens(tokenizer: TextTokenizer, text: string): Int32Array {
  const ids = tokenizer.encode(text, { specialTokens: true });
  return Int32Array.from(ids.at(-1) === tokenizer.eosId ? ids.slice(0, -1) : ids);
}

/** The text that new tokens add: decoded behind their prompt, where the first word's space is told from a text's beginning. */
function newText(tokenizer: TextTokenizer, prompt: Int32Array, promptText: string, tokens: Int32Array): string {
  const whole = tokenizer.decode([...prompt, ...tokens]);
  return whole.startsWith(promptText) ? whole.slice(promptText.length) : tokenizer.decode(tokens);
}

/** Every token that ends a text: the tokenizer's and those of generation_config.json. */
async function stopTokens(folder: string, tokenizer: TextTokenizer): Promise<number[]> {
  const file = join(folder, 'generation_config.json');
  if (!existsSync(file)) return [tokenizer.eosId];
  const json = (await readJson(file)) as { eos_token_id?: unknown } | null;
  const declared = [json?.eos_token_id ?? []].flat();
  if (!declared.every((id): id is number => Number.isInteger(id)))
    throw new UserError(`${file}: eos_token_id is ${JSON.stringify(json?.eos_token_id)}; it must be a token id or a list of them`);
  return [...new Set([tokenizer.eosId, ...declared])];
}
