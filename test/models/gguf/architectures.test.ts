import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { importGguf } from '../../../models/gguf/importGguf';
import { disposeModel, loadModel } from '../../../models/loadModel';
import { loadTokenizer } from '../../../models/tokenizer';
import { silent } from '../../../util/progress';
import { packedLogits, relativeError } from '../goldens';
import { startTestEngine } from '../testEngine';

/** What test/goldens/ggufModels.py wrote: files as llama.cpp's converter makes them, logits of the models behind them. */
const GOLDENS = join(__dirname, '../../goldens/ggufModels');
const NAMES = readdirSync(GOLDENS)
  .filter((name) => name.endsWith('.gguf'))
  .map((name) => basename(name, '.gguf'));

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gguf-'));
  await startTestEngine();
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each(NAMES)('%s: the imported folder computes what the model behind the file does', async (name) => {
  const output = join(folder, name);
  await importGguf(join(GOLDENS, `${name}.gguf`), { output, dtype: 'float32', overwrite: false }, silent);
  const golden = JSON.parse(readFileSync(join(GOLDENS, `${name}.json`), 'utf8')) as {
    sequences: number[][];
    logits: string;
    config: Record<string, unknown>;
  };
  const config = JSON.parse(readFileSync(join(output, 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(config).toMatchObject(golden.config);
  const model = await loadModel(output, { trainable: false, cacheFolder: folder });
  try {
    const bytes = Buffer.from(golden.logits, 'base64');
    const expected = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
    expect(relativeError(packedLogits(model, golden.sequences), expected)).toBeLessThan(1e-4);
  } finally {
    disposeModel(model);
  }
  expect((await loadTokenizer(output)).eosId).toBe(2);
});
