import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '../../models/safetensors';
import { runCommand, startCommand } from './command';

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

/** Runs a shell's lines with the command's arguments in `$@`. */
function underShell(lines: string, args: readonly string[]): { code: number | null; stderr: string } {
  const command = [process.execPath, join(__dirname, '../../dist/bin/dpo-import.js'), ...args];
  const { status, stderr } = spawnSync('bash', ['-c', lines, 'bash', ...command], { encoding: 'utf8' });
  return { code: status, stderr: stderr.trim().split('\n').pop()! };
}

/** What merging into a folder takes, and a GGUF file. */
const sources: [string, string[]][] = [
  ['a merge', [join(goldens, 'models/llama'), '--merge', adapter]],
  ['a GGUF file', [source]],
];
const canMount = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', folder]).status === 0;
const withMounts = canMount ? test.each(sources) : test.skip.each(sources);

test.each(sources)('%s: files may not grow as large as the weights: one line, nothing left, what was there is kept', (name, args) => {
  const parent = join(folder, `small files, ${name}`);
  const output = join(parent, 'model');
  cpSync(join(goldens, 'models/llama'), output, { recursive: true });
  const before = readdirSync(output).sort();
  const failed = underShell('ulimit -f 4; exec "$@"', [...args, '--output', output, '--overwrite', '--cache', join(folder, 'cache')]);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(/^error: cannot write .*small files.*: a file would be larger than is allowed here/);
  expect(readdirSync(parent)).toEqual(['model']);
  expect(readdirSync(output).sort()).toEqual(before);
});

test.each([['SIGINT', 130] as const, ['SIGTERM', 143] as const])('%s in the middle of a merge: nothing is left', async (signal, code) => {
  // llama with so many layers that writing them takes a while
  const base = join(folder, `deep-${signal}`);
  cpSync(join(goldens, 'models/llama'), base, { recursive: true });
  const config = JSON.parse(readFileSync(join(base, 'config.json'), 'utf8')) as object;
  writeFileSync(join(base, 'config.json'), JSON.stringify({ ...config, num_hidden_layers: 600 }));
  const file = await readSafetensors(join(base, 'model.safetensors'));
  const tensors = [];
  for (const [name, { shape }] of file.entries) {
    const values = await file.read(name);
    tensors.push({ name, shape, values });
    if (name.includes('.layers.1.'))
      for (let layer = 2; layer < 600; layer++) tensors.push({ name: name.replace('.layers.1.', `.layers.${layer}.`), shape, values });
  }
  await file.close();
  await writeSafetensors(join(base, 'model.safetensors'), tensors);
  const parent = join(folder, `interrupted-${signal}`);
  mkdirSync(parent);
  const { child, finished } = startCommand('dpo-import', [base, '--merge', adapter, '--output', join(parent, 'model')]);
  const isWriting = () => readdirSync(parent).some((name) => name.endsWith('.tmp'));
  while (child.exitCode === null && !isWriting()) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(isWriting()).toBe(true);
  child.kill(signal);
  expect(await finished).toMatchObject({ code });
  expect(readdirSync(parent)).toEqual([]);
});

withMounts('%s: the disk is full: one line, nothing left', (name, args) => {
  const parent = join(folder, `disk, ${name}`);
  mkdirSync(parent);
  const listing = join(folder, `listing of ${name}`);
  const lines = `mount -t tmpfs -o size=8k tmpfs '${parent}'; "$@"; code=$?; ls -A '${parent}' > '${listing}'; exit $code`;
  const failed = underShell(`unshare -m bash -c '${lines.replaceAll("'", "'\\''")}' bash "$@"`, [
    ...args,
    '--output',
    join(parent, 'model'),
  ]);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(/^error: cannot write .*disk.*: no space left on the disk$/);
  expect(readFileSync(listing, 'utf8')).toBe('');
});

withMounts('%s: a folder that cannot be moved or removed: one line, and there is a whole model', (name, args) => {
  const parent = join(folder, `mount, ${name}`);
  const output = join(parent, 'model');
  cpSync(join(goldens, 'models/llama'), output, { recursive: true });
  mkdirSync(join(output, 'inner'));
  const before = readdirSync(output).sort();
  const mounted = (point: string) => {
    const lines = `mount --bind '${point}' '${point}'; exec "$@"`;
    return underShell(`unshare -m bash -c '${lines.replaceAll("'", "'\\''")}' bash "$@"`, [...args, '--output', output, '--overwrite']);
  };
  expect(mounted(output)).toEqual({ code: 1, stderr: `error: cannot write ${output}: it is in use, or a mount point` });
  expect(readdirSync(parent)).toEqual(['model']);
  expect(readdirSync(output).sort()).toEqual(before);
  const failed = mounted(join(output, 'inner'));
  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(/^error: cannot remove .*model\.\w+\.old: it is in use, or a mount point$/);
  expect(readdirSync(output)).toEqual(expect.arrayContaining(['config.json', 'model.safetensors']));
  expect(readdirSync(output)).not.toContain('inner');
});
