import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GoldenCase } from '../../trainer/trainingGolden';

export const loraGoldens = join(__dirname, '../../goldens/lora');

/** One of TRL's runs over a PEFT adapter; its folders `initial` and `trained` lie beside. */
export interface LoraGolden extends GoldenCase {
  /** Logits of the trained adapter, [ids, vocabulary]. */
  ids: number[];
  logits: number[];
}

export const loraCases = (JSON.parse(readFileSync(join(loraGoldens, 'lora.json'), 'utf8')) as { cases: LoraGolden[] }).cases;
