import { parentPort, workerData } from 'node:worker_threads';
import { loadTokenizer } from '../models/tokenizer';
import { UserError } from '../util/errors';
import { encodePair } from './encodePair';
import type { PreferencePair, RenderedPair, TokenizedPair } from './types';

/** What a worker is started with. */
export interface WorkerTask {
  modelFolder: string;
  pairs: (PreferencePair | RenderedPair)[];
}

/** What it sends: the next pairs, in order, or the one error that ended it. */
export type WorkerMessage = { pairs: TokenizedPair[] } | { error: string; userError: boolean };

/** Pairs a message: few enough for a smooth progress bar. */
const PAIRS_A_MESSAGE = 64;

async function work({ modelFolder, pairs }: WorkerTask, send: (message: WorkerMessage) => void): Promise<void> {
  try {
    const tokenizer = await loadTokenizer(modelFolder);
    for (let start = 0; start < pairs.length; start += PAIRS_A_MESSAGE)
      send({ pairs: pairs.slice(start, start + PAIRS_A_MESSAGE).map((pair) => encodePair(tokenizer, pair)) });
  } catch (error) {
    const userError = error instanceof UserError;
    send({ error: (userError ? error.message : (error as Error).stack) ?? String(error), userError });
  }
}

if (parentPort) {
  const port = parentPort;
  void work(workerData as WorkerTask, (message) => port.postMessage(message));
}
