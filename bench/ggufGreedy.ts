import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { startEngine } from '../engine/startEngine';
import { logits } from '../engine/ops/tokenLogProbs';
import { generate } from '../eval/generate';
import { loadChatTemplate } from '../models/chatTemplate';
import { loadModel } from '../models/loadModel';
import { packedHidden, sequenceLayout } from '../models/packedForward';
import { readSafetensors } from '../models/safetensors';
import { loadTokenizer } from '../models/tokenizer';
import type { Model } from '../models/types';

interface Head {
  chat: boolean;
  tokens: number;
  sums: Record<string, string>;
  eos: number;
  template: string | null;
}
interface Line {
  prompt: string;
  ids: number[];
  logits: string;
  continuation: number[];
}

/**
 * Compares an imported folder with what bench/ggufGreedy.py wrote of the same GGUF file: `node dist/bench/ggufGreedy.js greedy.jsonl
 * MODEL_FOLDER`. Weights bit by bit, token ids, logits, greedy continuations; exits with 1 where ids, weights or continuations differ.
 */
async function main(path: string, folder: string): Promise<void> {
  await startEngine({ engine: 'auto', device: 'cpu', precision: 'float32' });
  const [head, ...lines] = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown) as [Head, ...Line[]];
  const weights = await equalWeights(folder, head.sums);
  const tokenizer = await loadTokenizer(folder);
  const template = head.chat ? await loadChatTemplate(folder) : undefined;
  const model = await loadModel(folder, { trainable: false });
  const prompts = lines.map(({ prompt }) =>
    Int32Array.from(
      template
        ? tokenizer.encode(template.render([{ role: 'user', content: prompt }], { generationPrompt: true }))
        : tokenizer.encode(prompt, { specialTokens: true }),
    ),
  );
  const made = await generate(model, prompts, {
    samples: 1,
    maxNewTokens: head.tokens,
    temperature: 0,
    topP: 1,
    stopIds: [tokenizer.eosId],
    seed: 0,
    streamKey: (prompt) => [prompt],
  });
  let ids = 0;
  let continuations = 0;
  let difference = 0;
  lines.forEach((line, i) => {
    if (line.ids.join() === prompts[i].join()) ids++;
    if (line.continuation.join() === made[i][0].join()) continuations++;
    else console.log(`differs after ${JSON.stringify(line.prompt)}:\n  expected ${line.continuation}\n  found    ${made[i][0].join()}`);
    difference = Math.max(difference, largestDifference(lastLogits(model, prompts[i]), line.logits));
    console.log(`${JSON.stringify(line.prompt)} → ${JSON.stringify(tokenizer.decode(made[i][0]))}`);
  });
  const names = Object.keys(head.sums).length;
  console.log(`weights: ${weights} of ${names} bit-equal; end-of-sequence token ${tokenizer.eosId} (${head.eos})`);
  console.log(
    `prompts: ${ids} of ${lines.length} token ids equal, ${continuations} greedy continuations equal, logits within ${difference}`,
  );
  const equal = weights === names && ids === lines.length && continuations === lines.length && tokenizer.eosId === head.eos;
  process.exitCode = equal ? 0 : 1;
}

async function equalWeights(folder: string, sums: Readonly<Record<string, string>>): Promise<number> {
  const file = await readSafetensors(join(folder, 'model.safetensors'));
  let equal = 0;
  for (const [name, sum] of Object.entries(sums)) {
    if (!file.entries.has(name)) continue;
    const { buffer, byteOffset, byteLength } = await file.read(name);
    if (
      createHash('sha256')
        .update(new Uint8Array(buffer, byteOffset, byteLength))
        .digest('hex') === sum
    )
      equal++;
  }
  await file.close();
  return equal;
}

function lastLogits(model: Model, ids: Int32Array): Float32Array {
  return tf.tidy(() => {
    const { weight, options } = model.architecture.head(model.weights, model.config);
    const hidden = packedHidden(model, { tokens: ids, ...sequenceLayout([ids.length]) });
    const last = tf.slice(hidden, [ids.length - 1, 0], [1, hidden.shape[1]]);
    return logits(last, weight, options).dataSync<'float32'>().slice();
  });
}

function largestDifference(found: Float32Array, base64: string): number {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== 4 * found.length) return Infinity;
  return found.reduce((largest, value, i) => Math.max(largest, Math.abs(value - bytes.readFloatLE(4 * i))), 0);
}

void main(process.argv[2], process.argv[3]);
