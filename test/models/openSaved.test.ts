import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { currentEngine } from '../../engine/engine';
import { setAdapterBase } from '../../models/adapters/adapterFolder';
import { disposeModel, loadModel } from '../../models/loadModel';
import { writeSafetensors } from '../../models/safetensors';
import { saveModel, writeModelFolder } from '../../models/saveModel';
import { loadTokenizer } from '../../models/tokenizer';
import type { Model } from '../../models/types';
import { adapterCases, adapterGoldens, readAdapterGolden } from './adapters/goldens';
import { goldenModels, packedLogits, readGolden } from './goldens';
import { startTestEngine } from './testEngine';

/** A Python with torch, transformers and peft; what the other tests check against files that it wrote is checked against itself here. */
const python = process.env.DPO_ORACLE_PYTHON;
const root = mkdtempSync(join(tmpdir(), 'open-saved-'));
const repository = join(__dirname, '..', '..');
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Case {
  name: string;
  folder: string;
  sequences: number[][];
  logits: string;
  texts: Record<string, number[]> | null;
}

/** Ways in which a model is written: in one file, in shards, rounded to bf16. */
const FORMS: Readonly<Record<string, (model: Model, folder: string) => Promise<void>>> = {
  whole: (model, folder) => saveModel(model, folder),
  sharded: (model, folder) => saveModel(model, folder, 8000),
  bf16: (model, folder) => {
    const engine = currentEngine();
    return writeModelFolder(model, (name) => engine.readParameter(model.weights[name]), folder, { dtype: 'bf16' });
  },
};
const TOKENIZERS = ['byte-level', 'gpt2', 'llama', 'gemma', 't5'];
const TEXTS = ['Hello wörld  x', ' 東京 🙂 é', 'line\nline'];

const load = (folder: string): Promise<Model> => loadModel(folder, { trainable: false, cacheFolder: join(root, 'cache') });

/** A saved folder and the logits that this program gives it once it is loaded again. */
async function saved(name: string, folder: string, sequences: number[][], texts: Case['texts'] = null): Promise<Case> {
  const model = await load(folder);
  const file = join(root, `${name.replaceAll('/', '-')}.logits.safetensors`);
  const tensors = sequences.map((ids, i) => {
    const values = packedLogits(model, [ids]);
    return { name: String(i), shape: [ids.length, values.length / ids.length], values };
  });
  await writeSafetensors(file, tensors);
  disposeModel(model);
  return { name, folder, sequences, logits: file, texts };
}

async function savedModels(): Promise<Case[]> {
  const cases: Case[] = [];
  for (const name of readdirSync(goldenModels)) {
    const { sequences } = await readGolden(name);
    const model = await load(join(goldenModels, name));
    for (const [form, write] of Object.entries(FORMS)) {
      const folder = join(root, `${name}-${form}`);
      await write(model, folder);
      expect(readdirSync(folder).filter((file) => /^model-\d+/.test(file)).length > 1).toBe(form === 'sharded');
      cases.push(await saved(`${name}/${form}`, folder, sequences));
    }
    disposeModel(model);
  }
  return cases;
}

async function savedAdapters(): Promise<Case[]> {
  const cases: Case[] = [];
  for (const name of adapterCases) {
    const { model: base, ids } = await readAdapterGolden(name);
    const origin = join(adapterGoldens, name);
    setAdapterBase(origin, join(goldenModels, base));
    const model = await load(origin);
    const folder = join(root, `adapter-${name}`);
    await saveModel(model, folder);
    disposeModel(model);
    setAdapterBase(folder, join(goldenModels, base));
    cases.push(await saved(`adapter/${name}`, folder, [ids]));
  }
  return cases;
}

/** A model with each kind of tokenizer files. */
async function savedTokenizers(): Promise<Case[]> {
  const cases: Case[] = [];
  for (const name of TOKENIZERS) {
    const origin = join(root, `origin-${name}`);
    cpSync(join(goldenModels, name === 'byte-level' || name === 'gpt2' ? 'gpt2' : 'llama'), origin, { recursive: true });
    cpSync(join(repository, 'test/goldens', name === 'byte-level' ? 'tokenizers' : 'tokenizerFiles', name), origin, {
      recursive: true,
      filter: (file) => !/expected/.test(file),
    });
    const folder = join(root, `tokenizer-${name}`);
    const model = await load(origin);
    await saveModel(model, folder);
    disposeModel(model);
    const { encode } = await loadTokenizer(folder);
    const texts = Object.fromEntries(TEXTS.map((text) => [text, encode(text, { specialTokens: true })]));
    cases.push(await saved(`tokenizer/${name}`, folder, [[1, 2, 3]], texts));
  }
  return cases;
}

if (python === undefined) test.skip('transformers and PEFT open what is saved (set DPO_ORACLE_PYTHON to a Python that has them)', () => {});
else
  test('transformers and PEFT open what is saved: equal logits, nothing missing, equal token ids', async () => {
    await startTestEngine();
    const cases = [...(await savedModels()), ...(await savedAdapters()), ...(await savedTokenizers())];
    const manifest = join(root, 'cases.json');
    writeFileSync(manifest, JSON.stringify(cases));
    const output = execFileSync(python, [join(repository, 'test/goldens/openSaved.py'), manifest], {
      cwd: repository,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 2 ** 26,
    });
    const rows = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; error: number; problems: object; texts: string[] });
    expect(rows.map(({ name }) => name)).toEqual(cases.map(({ name }) => name));
    expect(rows.filter(({ error, problems, texts }) => !(error < 1e-5) || Object.keys(problems).length > 0 || texts.length > 0)).toEqual(
      [],
    );
    process.stderr.write(
      `${rows.length} saved folders opened, largest relative difference ${Math.max(...rows.map(({ error }) => error))}\n`,
    );
  }, 600_000);
