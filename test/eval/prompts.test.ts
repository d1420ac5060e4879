import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPrompts } from '../../eval/prompts';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'prompts-'))));
afterAll(() => rm(folder, { recursive: true }));

async function rtpLx(name: string, files: Record<string, string[]>): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  for (const [code, prompts] of Object.entries(files)) {
    const lines = prompts.map((Prompt, Index) => JSON.stringify({ Prompt, Completion: '', Index, Locale: code, Annotations: {} }));
    await writeFile(join(path, `RTP_LX_${code}.json`), lines.join('\n') + '\n');
  }
  return path;
}

async function jsonl(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

test('a folder in the official layout: codes, order, indices, other files ignored', async () => {
  const path = await rtpLx('official', {
    'ZH-Hans': ['你', '好'],
    'ZH-Hant': ['妳'],
    'BR-PT': ['olá'],
    FR: ['un', 'deux', 'trois'],
    EN: ['one'],
  });
  await writeFile(join(path, 'LICENSE'), 'MIT');
  expect(await readPrompts(path, { limit: 2 })).toEqual([
    { language: 'en', index: 0, text: 'one' },
    { language: 'fr', index: 0, text: 'un' },
    { language: 'fr', index: 1, text: 'deux' },
    { language: 'pt', index: 0, text: 'olá' },
    { language: 'zh', index: 0, text: '你' },
    { language: 'zh', index: 1, text: '好' },
  ]);
  expect((await readPrompts(path, { languages: ['zh', 'en'] })).map(({ text }) => text)).toEqual(['你', '好', 'one']);
  expect(await readPrompts(join(path, 'RTP_LX_EN.json'))).toEqual([{ language: 'en', index: 0, text: 'one' }]);
  await expect(readPrompts(path, { languages: ['en', 'de'] })).rejects.toThrow(/no prompts in de; found: en, fr, pt, zh/);
});

test('JSONL lines of mixed languages; white space of a prompt is kept', async () => {
  const path = await jsonl(
    'mixed.jsonl',
    '{"language":"fr","prompt":"un "}\n\n{"language":"EN","prompt":"one"}\r\n{"language":"fr","prompt":"deux","x":1}',
  );
  expect(await readPrompts(path)).toEqual([
    { language: 'en', index: 0, text: 'one' },
    { language: 'fr', index: 0, text: 'un ' },
    { language: 'fr', index: 1, text: 'deux' },
  ]);
});

test.each([
  ['bad-json.jsonl', '{"language":"fr","prompt":"a"}\n{"language"', /bad-json\.jsonl:2: not valid JSON/],
  ['no-field.jsonl', '{"language":"fr","text":"a"}', /no-field\.jsonl:1: expected "prompt" with text; found only language, text/],
  ['blank.jsonl', '{"language":"fr","prompt":"  "}', /blank\.jsonl:1: expected "prompt" with text; found "  "/],
  ['code.jsonl', '{"language":"fr","prompt":"a"}\n{"language":"fx1","prompt":"a"}', /code\.jsonl:2: unknown language code "fx1"/],
  ['array.jsonl', '["fr","a"]', /array\.jsonl:1: expected a JSON object, found an array/],
  ['empty.jsonl', '\n', /empty\.jsonl: holds no prompts/],
])('%s', async (name, text, message) => {
  await expect(readPrompts(await jsonl(name, text))).rejects.toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
});

test('a missing path and a folder without prompts', async () => {
  await expect(readPrompts(join(folder, 'nowhere'))).rejects.toThrow(/cannot read .*nowhere: no such file or folder/);
  await expect(readPrompts(await rtpLx('bare', {}))).rejects.toThrow(/no RTP_LX_XX\.json in this folder/);
  await expect(readPrompts(await rtpLx('odd', { XX: ['a'] }))).rejects.toThrow(/RTP_LX_XX\.json: unknown language code "xx"/);
});
