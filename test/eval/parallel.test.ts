import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readParallel } from '../../eval/parallel';

let root: string;
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'parallel-'))));
afterAll(() => rm(root, { recursive: true }));

async function folder(name: string, files: Record<string, string>): Promise<string> {
  const path = join(root, name);
  await mkdir(path);
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
  return path;
}

async function jsonl(name: string, lines: object[]): Promise<string> {
  const path = join(root, name);
  await writeFile(path, lines.map((line) => JSON.stringify(line)).join('\n'));
  return path;
}

test('a folder of LANG.txt; entities are unescaped, carriage returns dropped', async () => {
  const path = await folder('good', {
    'en.txt': 'One.\nTwo &amp; three.\n',
    'fr.txt': 'J&#39;ai un.\r\n&quot;Deux&quot; &eacute;t\u00e9',
    'NOTICE.md': 'x',
  });
  expect(await readParallel(path)).toEqual({ languages: { en: ['One.', 'Two & three.'], fr: ["J'ai un.", '"Deux" été'] } });
  expect(Object.keys((await readParallel(path, ['en'])).languages)).toEqual(['en']);
  await expect(readParallel(path, ['de'])).rejects.toThrow(/no sentences in de; found: en/);
});

test("the paper's parallel prompts", async () => {
  const line = (Prompt: string) => JSON.stringify({ Prompt }) + '\n';
  const path = await folder('paper', {
    'dpo_toxicity_pairwise_en_200.jsonl': line('"A\nb"') + line('c'),
    'dpo_toxicity_pairwise_ko_200.jsonl': line('&quot;가') + line('나'),
  });
  expect(await readParallel(path)).toEqual({ languages: { en: ['"A\nb"', 'c'], ko: ['"가', '나'] } });
});

test('JSONL with a key a language, other fields passed over', async () => {
  const path = await jsonl('good.jsonl', [
    { en: 'one', hi: 'एक' },
    { hi: 'दो', en: 'two' },
  ]);
  expect(await readParallel(path, ['hi'])).toEqual({ languages: { en: ['one', 'two'], hi: ['एक', 'दो'] } });
});

test('unequal counts name both files', async () => {
  const path = await folder('unequal', { 'en.txt': 'a\nb\n', 'de.txt': 'a\nb\nc\n' });
  await expect(readParallel(path)).rejects.toMatchObject({
    name: 'UserError',
    message: expect.stringMatching(/de\.txt has 3 lines and .*en\.txt 2; they must be aligned line by line/),
  });
});

test('bad input', async () => {
  await expect(readParallel(await folder('no-en', { 'de.txt': 'a' }))).rejects.toThrow(/no en\.txt in this folder/);
  await expect(readParallel(await folder('blank', { 'en.txt': 'a\n\nb' }))).rejects.toThrow(/en\.txt:2: blank line/);
  await expect(readParallel(await folder('none', { 'en.txt': '' }))).rejects.toThrow(/holds no sentences/);
  await expect(readParallel(await folder('code', { 'en.txt': 'a', 'qq.txt': 'a' }))).rejects.toThrow(/unknown language code "qq"/);
  await expect(readParallel(await jsonl('gap.jsonl', [{ en: 'a', fr: 'b' }, { en: 'c' }]))).rejects.toThrow(
    /gap\.jsonl:2: expected "fr" with text/,
  );
  await expect(readParallel(await jsonl('fr.jsonl', [{ fr: 'b' }]))).rejects.toThrow(/no English sentences; found: fr/);
  await expect(readParallel(join(root, 'nowhere'))).rejects.toThrow(/no such file or folder/);
});
