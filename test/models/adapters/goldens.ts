import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors } from '../../../models/safetensors';
import type { GoldenCase } from '../../trainer/trainingGolden';

export const loraGoldens = join(__dirname, '../../goldens/lora');

/** One of TRL's runs over a PEFT adapter; its folders `initial` and `trained` lie beside. */
export interface LoraGolden extends GoldenCase {
  /** Logits of the trained adapter, [ids, vocabulary]. */
  ids: number[];
  logits: number[];
}

export const loraCases = (JSON.parse(readFileSync(join(loraGoldens, 'lora.json'), 'utf8')) as { cases: LoraGolden[] }).cases;

export const adapterGoldens = join(__dirname, '../../goldens/adapters');
export const adapterCases = readdirSync(adapterGoldens).sort();

/** What PEFT computed with an adapter of a golden model (test/goldens/adapters.py). */
export interface AdapterGolden {
  model: string;
  ids: number[];
  loss: number;
  /** The modules that PEFT adapted. */
  modules: string[];
  tensors: ReadonlyMap<string, Float32Array>;
}

export async function readAdapterGolden(name: string): Promise<AdapterGolden> {
  const folder = join(adapterGoldens, name);
  const rest = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Omit<AdapterGolden, 'tensors'>;
  const file = await readSafetensors(join(folder, 'expected.safetensors'));
  const tensors = new Map<string, Float32Array>();
  for (const key of file.entries.keys()) tensors.set(key, await file.read(key));
  await file.close();
  return { ...rest, tensors };
}
