import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPairs } from '../../datasets/readPairs';
import { splitAtSharedWords } from '../../datasets/paradetox';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pairs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Writes a file and reads it as pairs; errors come back without the folder's name. */
async function read(name: string, text: string) {
  const path = join(folder, name);
  await writeFile(path, text);
  return readPairs(path).catch((error: Error) => {
    throw new Error(error.message.replaceAll(folder + '/', ''));
  });
}

const line = (fields: object) => `${JSON.stringify(fields)}\n`;
const good = { prompt: 'a b', chosen: ' c d', rejected: ' e' };

test('JSON lines: texts as they are, other fields and blank lines ignored, a byte order mark and CRLF tolerated', async () => {
  const { pairs, notes } = await read(
    'a.jsonl',
    '\uFEFF' + line(good).replace('\n', '\r\n') + '\n' + line({ ...good, prompt: '', score: 1 }),
  );
  expect(pairs).toEqual([good, { ...good, prompt: '' }]);
  expect(notes).toEqual([]);
});

test('CSV with quoted commas, quotes, line breaks and columns in any order', async () => {
  const { pairs } = await read('a.csv', 'id,rejected,prompt,chosen\n1, bad,"Hello, ""you""\nthere", good\n2, x,p, y\n');
  expect(pairs).toEqual([
    { prompt: 'Hello, "you"\nthere', chosen: ' good', rejected: ' bad' },
    { prompt: 'p', chosen: ' y', rejected: ' x' },
  ]);
});

test('TSV with quotation marks inside a field', async () => {
  const { pairs } = await read('a.TSV', 'prompt\tchosen\trejected\nhe said "x"\t ok\t no, "no"\n');
  expect(pairs).toEqual([{ prompt: 'he said "x"', chosen: ' ok', rejected: ' no, "no"' }]);
});

test("ParaDetox's own table: shared words become the prompt, equal sides are dropped and counted", async () => {
  const header = 'toxic\tneutral1\tneutral2\tneutral3\n';
  const rows = [
    'im  not gonna sell the fucking picture\tIm Not gonna sell the picture\t\t',
    'no shared word here\tsomething else\t\t',
    'this is fine\tThis is fine\tother\t',
    '"he said ""no"" , idiot"\t"he said ""no"" ."\t\t',
  ];
  const { pairs, notes } = await read('paradetox.tsv', header + rows.join('\n') + '\n');
  expect(pairs).toEqual([
    { prompt: 'Im Not gonna sell the', chosen: ' picture', rejected: ' fucking picture' },
    { prompt: 'he said "no"', chosen: ' .', rejected: ' , idiot' },
  ]);
  expect(notes).toEqual(['ParaDetox: 3 of 4 rows share a beginning, which becomes the prompt', 'dropped, since both sides are equal: 1']);
});

test('a shared beginning leaves at least one word a side', () => {
  expect(splitAtSharedWords('a b c', 'a b')).toEqual({ prompt: 'a', chosen: ' b', rejected: ' b c' });
  expect(splitAtSharedWords('a', 'a b')).toBeNull();
  expect(splitAtSharedWords('', 'a b')).toBeNull();
});

test.each([
  ['a missing field', 'b.jsonl', line(good) + line({ prompt: 'p', chosen: 'c' }), 'b.jsonl:2: no field "rejected" (found: prompt, chosen)'],
  ['a field that is not text', 'b.jsonl', line({ ...good, chosen: 3 }), 'b.jsonl:1: "chosen" is a number, it must be text'],
  [
    'a conversation beside texts',
    'b.jsonl',
    line({ ...good, prompt: [{ role: 'user', content: 'x' }] }),
    'b.jsonl:1: "prompt" is a list, but chosen and rejected not: give all three as messages',
  ],
  ['an empty completion', 'b.jsonl', line({ ...good, rejected: ' ' }), 'b.jsonl:1: "rejected" is empty'],
  ['equal sides', 'b.jsonl', '\n' + line({ ...good, rejected: ' c d' }), 'b.jsonl:2: chosen and rejected are equal'],
  ['broken JSON', 'b.jsonl', line(good) + '{"prompt": \n', 'b.jsonl:2: not valid JSON'],
  ['a list for a line', 'b.jsonl', '[1]\n', 'b.jsonl:1: a line must be one JSON object'],
  ['nothing', 'b.jsonl', '\n', 'b.jsonl: holds no preference pairs'],
  ['a header alone', 'b.csv', 'prompt,chosen,rejected\n', 'b.csv: holds no preference pairs'],
  ['a missing column', 'b.csv', 'prompt,chosen\na,b\n', 'b.csv:2: no field "rejected" (found: prompt, chosen)'],
  [
    'a narrow row after a quoted line break',
    'b.csv',
    'prompt,chosen,rejected\n"a\nb",c,d\n"x\ny",z\n',
    'b.csv:4: 2 fields, but the header names 3',
  ],
  ['an empty completion in a table', 'b.csv', 'prompt,chosen,rejected\na,b,c\n\n"a\nb",,d\n', 'b.csv:4: "chosen" is empty'],
  ['an open quote', 'b.csv', 'prompt,chosen,rejected\na,b,c\n"a,b,c\n', /^b\.csv:\d: Quote Not Closed/],
  ['two columns of one name', 'b.csv', 'prompt,chosen,chosen\na,b,c\n', 'b.csv:1: two columns are named "chosen"'],
  ['an unknown ending', 'b.xlsx', 'x', 'b.xlsx: pairs are read from .jsonl, .json, .csv, .tsv, .parquet files'],
])('refuses %s', async (_, name, text, message) => {
  await expect(read(name, text)).rejects.toThrow(message);
});

test('refuses a missing file and a folder, by name', async () => {
  await expect(readPairs(join(folder, 'none.jsonl'))).rejects.toThrow(/cannot read .*none\.jsonl: no such file/);
});
