import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadTokenizer } from '../../models/tokenizer';
import { encodePair } from '../../datasets/encodePair';
import type { PreferencePair, TokenizedPair } from '../../datasets/types';

export const trainingGoldens = join(__dirname, '../goldens/training');

/** One run of TRL's DPOTrainer. */
export interface GoldenCase {
  name: string;
  model: string;
  optim: 'rmsprop' | 'adamw_torch';
  learning_rate: number;
  lr_scheduler_type: 'constant' | 'constant_with_warmup' | 'linear';
  warmup_steps: number;
  max_grad_norm: number;
  beta: number;
  loss_type: 'sigmoid' | 'hinge';
  batch_size: number;
  steps: Record<string, number>[];
  evaluation: Record<string, number>;
}

const golden = JSON.parse(readFileSync(join(trainingGoldens, 'training.json'), 'utf8')) as {
  pairs: PreferencePair[];
  train: number;
  cases: GoldenCase[];
};

export const goldenCases = golden.cases;
export const goldenPairs = { train: golden.pairs.slice(0, golden.train), evaluation: golden.pairs.slice(golden.train) };

export async function tokenizedGolden(pairs: readonly PreferencePair[]): Promise<TokenizedPair[]> {
  const tokenizer = await loadTokenizer(trainingGoldens);
  return pairs.map((pair) => encodePair(tokenizer, pair));
}
