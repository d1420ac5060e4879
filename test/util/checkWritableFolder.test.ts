import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkWritableFolder, modelFileIn } from '../../util/files';

const root = mkdtempSync(join(tmpdir(), 'writable-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('a folder that is there, or can be made, is taken', async () => {
  await checkWritableFolder(root, '--output');
  await checkWritableFolder(join(root, 'a', 'b', 'c'), '--output');
});

test('a file on the way is named', async () => {
  const file = join(root, 'file');
  writeFileSync(file, '');
  await expect(checkWritableFolder(join(file, 'x'), '--output')).rejects.toMatchObject({
    name: 'UserError',
    message: `--output ${join(file, 'x')} cannot be a folder: ${file} is a file; give a folder`,
  });
  await expect(checkWritableFolder(file, '--output')).rejects.toThrow(`--output ${file} is a file; give a folder`);
});

// root may write anywhere
(process.getuid?.() === 0 || process.platform === 'win32' ? test.skip : test)('a folder without the right to write is named', async () => {
  const locked = join(root, 'locked');
  mkdirSync(locked);
  chmodSync(locked, 0o500);
  await expect(checkWritableFolder(join(locked, 'x'), '--output')).rejects.toMatchObject({ name: 'UserError' });
});

test.each([
  ['model.safetensors', true],
  ['model-00001-of-00002.safetensors', true],
  ['pytorch_model.bin.index.json', true],
  ['adapter_config.json', true],
  ['config.json', false],
])('a folder with %s holds a model: %s', async (name, holds) => {
  const folder = mkdtempSync(join(root, 'model-'));
  writeFileSync(join(folder, name), '');
  expect(await modelFileIn(folder)).toBe(holds ? name : undefined);
  expect(await modelFileIn(join(folder, 'none'))).toBeUndefined();
});
