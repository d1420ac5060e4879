import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { baseFolder } from '../models/adapters/adapterFolder';
import { loadTokenizer } from '../models/tokenizer';
import { tokenizerFileHashes } from '../models/tokenizers/tokenizerSource';
import { UserError } from '../util/errors';
import { contentHash } from '../util/files';
import { silent, type Progress } from '../util/progress';
import { encodePair, ENCODING_VERSION } from './encodePair';
import { fitPairs, type PairBounds } from './fitPairs';
import { readTokenizedCache, writeTokenizedCache } from './tokenizedCache';
import type { WorkerMessage, WorkerTask } from './tokenizeWorker';
import { renderPairs } from './renderPairs';
import type { PreferencePair, ReadPair, RenderedPair, TokenizedPair } from './types';

export interface TokenizeOptions extends PairBounds {
  /** Model folder whose tokenizer is used. */
  modelFolder: string;
  cacheFolder: string;
  /** The model's context: prompt and completion together, end-of-sequence token included, must fit. */
  maxPositions: number;
  /** Where the pairs come from, for messages: a file's name. */
  source: string;
  /** Whether pairs of texts become turns of the model's chat template, as conversations always do. */
  applyChatTemplate?: boolean;
  /** The day that a chat template writes, `YYYY-MM-DD`; by default today. */
  templateDay?: string;
  /** Told how many pairs were cut or left out. */
  say?: (line: string) => void;
}

const STAGE = 'tokenising';
/** A worker spends a second or two on loading a large vocabulary: give it enough to do. */
const PAIRS_A_WORKER = 1000;
const MOST_WORKERS = 4;

/**
 * Token ids of pairs (see `encodePair`), made in worker threads and kept in `<cache>/tokenized/<hash>.arrow`: the hash covers
 * the tokenizer's files, the pairs (conversations as the chat template writes them) and the encoding's version. A damaged cache file is made anew.
 * @throws UserError naming the pair (counted from 1) that is longer than the model's context, or whose prompt or completion
 *   gives no token, or that the chat template refuses
 */
export async function tokenizePairs(
  read: readonly ReadPair[],
  { modelFolder, cacheFolder, maxPositions, source, applyChatTemplate = false, templateDay, say, ...bounds }: TokenizeOptions,
  progress: Progress = silent,
): Promise<TokenizedPair[]> {
  const pairs = await renderPairs(read, { modelFolder, applyChatTemplate, templateDay, source });
  const key = contentHash(`tokenized pairs ${ENCODING_VERSION}`, ...(await tokenizerFileHashes(modelFolder)), ...pairs.flatMap(keyTexts));
  const file = join(cacheFolder, 'tokenized', `${key}.arrow`);
  const cached = await readTokenizedCache(file, pairs.length);
  const tokenized = cached ?? (await tokenizeAll(pairs, modelFolder, progress));
  const kept = fitPairs(pairs, tokenized, bounds, source, say);
  const hint = bounds.maxLength ? `; --max-length ${maxPositions} cuts longer pairs` : '';
  for (const { place, pair } of kept) checkLengths(pair, `${source}: pair ${place + 1}`, maxPositions, hint);
  if (!cached) await writeTokenizedCache(file, tokenized);
  return kept.map(({ pair }) => pair);
}

/** A pair's texts, and which kind they are: a rendered one is tokenised otherwise. */
function keyTexts(pair: PreferencePair | RenderedPair): string[] {
  if ('promptChosen' in pair) return ['rendered', pair.prompt, pair.promptChosen, pair.promptRejected];
  return [pair.prompt, pair.chosen, pair.rejected];
}

function checkLengths(pair: TokenizedPair, place: string, maxPositions: number, hint: string): void {
  const longest = pair.chosen.length >= pair.rejected.length ? 'chosen' : 'rejected';
  const length = pair.prompt.length + pair[longest].length;
  if (length > maxPositions)
    throw new UserError(
      `${place} is too long: prompt and ${longest} are ${length} tokens, the model's context holds ${maxPositions}${hint}`,
    );
  if (pair.prompt.length === 0)
    throw new UserError(
      `${place}: the prompt gives no token to predict the completion from; give a longer prompt (this tokenizer adds no token at the start)`,
    );
  // a chat template may leave out a message that is no assistant's
  const empty = (['chosen', 'rejected'] as const).find((side) => pair[side].length === 0);
  if (empty) throw new UserError(`${place}: the chat template writes nothing for ${empty}; a completion needs some text`);
}

/** The compiled worker: beside this file in dist/, or in the package's dist/ when run from source; null where nothing is built. */
function workerFile(): string | null {
  const compiled = join(__dirname, 'tokenizeWorker.js');
  const file = existsSync(compiled) ? compiled : join(__dirname, '..', 'dist', 'datasets', 'tokenizeWorker.js');
  return existsSync(file) ? file : null;
}

async function tokenizeAll(pairs: readonly (PreferencePair | RenderedPair)[], model: string, progress: Progress): Promise<TokenizedPair[]> {
  // found here: a worker does not know where this process found an adapter's base model
  const modelFolder = await baseFolder(model);
  let done = 0;
  const report = (more: number) => progress({ stage: STAGE, done: (done += more), total: pairs.length });
  report(0);
  const worker = workerFile();
  if (!worker) {
    const tokenizer = await loadTokenizer(modelFolder);
    const result = pairs.map((pair) => encodePair(tokenizer, pair));
    report(pairs.length);
    return result;
  }
  const workers = Math.max(1, Math.min(MOST_WORKERS, availableParallelism(), Math.ceil(pairs.length / PAIRS_A_WORKER)));
  const share = Math.ceil(pairs.length / workers);
  const stop = new AbortController();
  try {
    const parts = Array.from({ length: workers }, (_, i) => {
      const task: WorkerTask = { modelFolder, pairs: pairs.slice(i * share, (i + 1) * share) };
      return runWorker(worker, task, report, stop.signal);
    });
    return (await Promise.all(parts)).flat();
  } finally {
    stop.abort();
  }
}

/** Runs one worker to its end, or until `stop`. */
function runWorker(file: string, task: WorkerTask, report: (more: number) => void, stop: AbortSignal): Promise<TokenizedPair[]> {
  return new Promise((resolve, reject) => {
    const result: TokenizedPair[] = [];
    const worker = new Worker(file, { workerData: task });
    stop.addEventListener('abort', () => void worker.terminate());
    worker.on('message', (message: WorkerMessage) => {
      if ('error' in message) {
        reject(message.userError ? new UserError(message.error) : new Error(message.error));
        return;
      }
      // one by one: a spread of thousands of arguments would be the next trap
      for (const pair of message.pairs) result.push(pair);
      report(message.pairs.length);
    });
    worker.on('error', reject);
    worker.on('exit', () => {
      if (result.length === task.pairs.length) resolve(result);
      else reject(new Error(`internal: a tokenising worker ended after ${result.length} of ${task.pairs.length} pairs`));
    });
  });
}
