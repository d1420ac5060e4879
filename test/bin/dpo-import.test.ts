import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './command';

const folder = mkdtempSync(join(tmpdir(), 'dpo-import-'));
afterAll(() => rmSync(folder, { recursive: true }));
const source = join(__dirname, '../goldens/gguf/tinyGpt2.gguf');

test('imports a file, and says so when it is there already', async () => {
  const output = join(folder, 'model');
  const first = await runCommand('dpo-import', [source, '--output', output]);
  expect(first).toMatchObject({ code: 0, stdout: `imported ${source} into ${output} (float32)\n` });
  expect(first.stderr).toContain('weights 28/28');
  expect(readdirSync(output)).toContain('model.safetensors');
  const second = await runCommand('dpo-import', [source, '--output', output]);
  expect(second).toMatchObject({ code: 0, stdout: `${output} already holds this model\n`, stderr: '' });
});

const goldens = join(__dirname, '../goldens');
const adapter = join(goldens, 'adapters/lora-llama');

test('puts an adapter into the weights of its base model', async () => {
  const output = join(folder, 'merged');
  const base = join(goldens, 'models/llama');
  const merged = await runCommand('dpo-import', [base, '--merge', adapter, '--output', output, '--dtype', 'bf16']);
  expect(merged).toMatchObject({ code: 0, stdout: `merged ${adapter} with ${base} into ${output} (bf16)\n` });
  expect(readdirSync(output).sort()).toEqual(['config.json', 'model.safetensors']);
  const other = await runCommand('dpo-import', [join(goldens, 'models/gpt2'), '--merge', adapter, '--output', join(folder, 'other')]);
  expect(other.code).toBe(1);
  expect(other.stderr).toMatch(/^error: .*fits no module of .*gpt2 \(gpt2\): it is an adapter for another model.*\n$/);
});

test.each<[string, string[], string]>([
  ['two bases', ['a', 'b', '--merge', adapter], '2 base models named; at most one is allowed (see --help)'],
  ['no source', [], '0 sources named; exactly one is allowed: a .gguf file or pypi:NAME (see --help)'],
  ['no such file', ['none.gguf'], 'cannot read none.gguf: no such file or folder'],
  ['no GGUF file', [__filename], `${__filename}: not a GGUF file: it starts with "impo", not "GGUF"`],
  ['unknown model', ['pypi:gemma3'], 'unknown PyPI model "gemma3"; did you mean "gemma3-270m"?; known: gemma3-270m, smollm2-135m-instruct'],
  ['unknown flag', [source, '--dtpe', 'bf16'], 'unknown option --dtpe; did you mean --dtype? (see --help)'],
])('%s: one line, exit code 1, nothing written', async (_name, args, message) => {
  const output = join(folder, 'none');
  expect(await runCommand('dpo-import', [...args, '--output', output])).toEqual({
    code: 1,
    signal: null,
    stdout: '',
    stderr: `error: ${message}\n`,
  });
  expect(existsSync(output)).toBe(false);
});
