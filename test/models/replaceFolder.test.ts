import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeUnfinished, replaceFolder } from '../../models/replaceFolder';
import { UserError } from '../../util/errors';

const root = mkdtempSync(join(tmpdir(), 'replace-folder-'));
const output = join(root, 'model');
const make =
  (text: string) =>
  (folder: string): Promise<void> => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'config.json'), text);
    return Promise.resolve();
  };
const held = (): string => readFileSync(join(output, 'config.json'), 'utf8');

beforeEach(() => {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output);
  writeFileSync(join(output, 'config.json'), 'old');
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('the new folder takes the place of the old one', async () => {
  await replaceFolder(output, true, make('new'));
  expect(held()).toBe('new');
  expect(readdirSync(root)).toEqual(['model']);
});

test('where the new folder cannot take its place, the old one is back in it', async () => {
  // nothing is made: there is nothing to rename
  await expect(replaceFolder(output, true, () => Promise.resolve())).rejects.toThrow(UserError);
  expect(held()).toBe('old');
  expect(readdirSync(root)).toEqual(['model']);
});

test('an interruption while neither is in the place puts the old one back', async () => {
  const files = jest.requireActual<{ rename: (from: string, to: string) => Promise<void> }>('node:fs/promises');
  const { rename } = files;
  jest.spyOn(files, 'rename').mockImplementation((from, to) => {
    if (!from.endsWith('.tmp')) return rename(from, to);
    expect(existsSync(output)).toBe(false);
    removeUnfinished();
    expect(held()).toBe('old');
    return Promise.reject(new Error('interrupted'));
  });
  await expect(replaceFolder(output, true, make('new'))).rejects.toThrow('interrupted');
  expect(held()).toBe('old');
  expect(readdirSync(root)).toEqual(['model']);
});
