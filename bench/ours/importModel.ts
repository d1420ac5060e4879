/*
 * Times `dpo-import` on a GGUF file: a Hugging Face folder with weights and tokenizer. bench/peers/importModel.py has transformers do it.
 *
 *   node dist/bench/ours/importModel.js '{"gguf": "model.gguf"}'
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importGguf } from '../../models/gguf/importGguf';
import { silent } from '../../util/progress';
import { printResult, startProgram, timed } from './program';

async function main(): Promise<void> {
  const options = await startProgram({ device: 'cpu', precision: 'float32' as const, runs: 2, warmup: 0, gguf: 'model.gguf' });
  const folder = mkdtempSync(join(tmpdir(), 'dpo-bench-'));
  try {
    const times = await timed(options, async (place) => {
      await importGguf(options.gguf, { output: join(folder, String(place)), dtype: 'float32', overwrite: false }, silent);
      rmSync(join(folder, String(place)), { recursive: true });
    });
    printResult(times);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
