import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { loadTokenizer } from '../../../models/tokenizer';

const goldens = join(__dirname, '..', '..', 'goldens');
const root = mkdtempSync(join(tmpdir(), 'damaged-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const folders = ['bert', 'gemma', 'gpt2', 'llama', 'qwen2', 't5', 'xlm-roberta', 'unigram-sentencepiece'].map((name) =>
  join(goldens, 'tokenizerFiles', name),
);
folders.push(join(goldens, 'tokenizers', 'byte-level'), join(goldens, 'tokenizers', 'template'), join(root, 'unigram'));
cpSync(join(goldens, 'sentencePiece', 'tokenizer.json'), join(root, 'unigram', 'tokenizer.json'));
writeFileSync(join(root, 'unigram', 'tokenizer_config.json'), '{"eos_token": "</s>"}');
/** Every file that a tokenizer is read from. */
const files = folders.flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name !== 'expected.json')
    .map((name) => ({ folder, name })),
);

const TEXT = 'Hello wörld  x 🙂 </s>';

/** Loads a copy of the folder with another content of one file: it works, or the error is one line that names a file of the folder. */
async function survives({ folder, name }: { folder: string; name: string }, content: string | Buffer): Promise<void> {
  const copy = mkdtempSync(join(root, 'copy-'));
  cpSync(folder, copy, { recursive: true });
  writeFileSync(join(copy, name), content);
  try {
    const tokenizer = await loadTokenizer(copy);
    const ids = tokenizer.encode(TEXT, { specialTokens: true });
    expect(ids.filter((id) => !Number.isInteger(id) || id < 0 || id >= tokenizer.size)).toEqual([]);
    expect(typeof tokenizer.decode(ids)).toBe('string');
  } catch (error) {
    const { name: kind, message } = error as Error;
    expect([kind, message]).toEqual(['UserError', expect.stringMatching(/^[^\n]+$/)]);
    expect(message).toContain(copy);
    // what JavaScript says of its own confusion
    expect(message).not.toMatch(/is not a function|undefined|Cannot read|not iterable|Unknown \w+ type/);
  } finally {
    rmSync(copy, { recursive: true });
  }
}

const values: fc.Arbitrary<unknown> = fc.constantFrom<unknown[]>(
  ...[
    null,
    true,
    -1,
    0,
    1.5,
    1e99,
    2 ** 31,
    '',
    'x',
    '</s>',
    [],
    {},
    [null],
    [[]],
    { a: 1 },
    [['a', 'b', 'c']],
    [1, 2],
    { type: 'Sequence' },
    { type: 'x' },
  ],
);

/** Places in a JSON value; of long lists and objects the first, one in the middle and the last. */
function places(value: unknown, before: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || before.length > 5) return [];
  const keys = Object.keys(value);
  const some = keys.length > 30 ? [keys[0], keys[keys.length >> 1], keys[keys.length - 1]] : keys;
  return some.flatMap((key) => [[...before, key], ...places((value as Record<string, unknown>)[key], [...before, key])]);
}

test(
  'JSON files with one value in place of another, or none',
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files.filter(({ name }) => name.endsWith('.json'))),
        fc.nat(),
        fc.option(values),
        async (file, where, value) => {
          const json = JSON.parse(readFileSync(join(file.folder, file.name), 'utf8')) as Record<string, unknown>;
          const all = places(json);
          const place = all[where % Math.max(1, all.length)] ?? [];
          let holder: Record<string, unknown> = json;
          for (const key of place.slice(0, -1)) holder = holder[key] as Record<string, unknown>;
          const last = place.at(-1);
          if (last !== undefined && value === null) delete holder[last];
          else if (last !== undefined) holder[last] = value;
          await survives(file, JSON.stringify(json));
        },
      ),
      { numRuns: 120 },
    ),
  60_000,
);

test(
  'files cut off, and files with other bytes',
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
        async (file, end, changes) => {
          const whole = readFileSync(join(file.folder, file.name));
          const bytes = changes.length === 0 ? whole.subarray(0, end % whole.length) : Buffer.from(whole);
          for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
          await survives(file, bytes);
        },
      ),
      { numRuns: 80 },
    ),
  60_000,
);

/** As far as the cases reach into it. */
interface Tokenizer {
  decoder: { type: string };
  pre_tokenizer: object;
  post_processor: object;
  model: { type: string; vocab: Record<string, number>; merges: unknown[] };
  added_tokens: object[];
}
const json = (path: string, edit: (value: Tokenizer) => void): string => {
  const value = JSON.parse(readFileSync(path, 'utf8')) as Tokenizer;
  edit(value);
  return JSON.stringify(value);
};
const byteLevel = join(goldens, 'tokenizers', 'byte-level');
const inTokenizer = (edit: (value: Tokenizer) => void) => ['tokenizer.json', json(join(byteLevel, 'tokenizer.json'), edit)] as const;

test.each<[string, readonly [string, string], RegExp]>([
  [
    'an unknown part',
    inTokenizer((t) => (t.decoder.type = 'ByteLevl')),
    /tokenizer.json: decoder.type is "ByteLevl"; it must be one of ByteLevel, .*; did you mean ByteLevel\?$/,
  ],
  [
    'a part in a sequence',
    inTokenizer((t) => (t.pre_tokenizer = { type: 'Sequence', pretokenizers: [{ type: 'Split', pattern: 'x' }] })),
    /tokenizer.json: pre_tokenizer.pretokenizers\[0\].pattern is "x"; it must be {"String": …} or {"Regex": …}$/,
  ],
  [
    'one id for two tokens',
    inTokenizer((t) => (t.model.vocab['a'] = t.model.vocab['b'])),
    /tokenizer.json: model.vocab\["b"\] is \d+; it must be another id than that of "a"$/,
  ],
  [
    'an id beyond reason',
    inTokenizer((t) => (t.model.vocab['a'] = 2 ** 30)),
    /model.vocab\["a"\] is 1073741824; it must be a whole number from 0 to 16777215$/,
  ],
  [
    'a merge of strangers',
    inTokenizer((t) => (t.model.merges[1] = Array.isArray(t.model.merges[0]) ? ['q', 'nowhere'] : 'q nowhere')),
    /model.merges\[1\] is .*; it must be of tokens in model.vocab, which has no "nowhere"$/,
  ],
  [
    'a merge of three',
    inTokenizer((t) => (t.model.merges[1] = Array.isArray(t.model.merges[0]) ? ['a', 'b', 'c'] : 'a b c')),
    /model.merges\[1\] is .*; it must be .*two tokens/,
  ],
  [
    'an added token without text',
    inTokenizer((t) => t.added_tokens.push({ id: 3 })),
    /added_tokens\[\d+\].content is missing; it must be text$/,
  ],
  [
    'another kind of model',
    inTokenizer((t) => (t.model.type = 'Char')),
    /model.type is "Char"; it must be one of BPE, Unigram, WordPiece, WordLevel$/,
  ],
  [
    'a template of nothing',
    inTokenizer((t) => (t.post_processor = { type: 'TemplateProcessing', single: [3] })),
    /post_processor.single\[0\] is 3; it must be {"SpecialToken"/,
  ],
  [
    'an end token that is a number',
    ['tokenizer_config.json', '{"eos_token": 3}'],
    /tokenizer_config.json: eos_token is 3; it must be text, an object with content, or null$/,
  ],
  [
    'special tokens that are no list',
    ['special_tokens_map.json', '{"additional_special_tokens": {"a": "b"}}'],
    /special_tokens_map.json: additional_special_tokens is {"a":"b"}; it must be a list of tokens$/,
  ],
])('%s is named', async (name, [file, content], message) => {
  const folder = join(root, name);
  cpSync(byteLevel, folder, { recursive: true });
  writeFileSync(join(folder, file), content);
  await expect(loadTokenizer(folder)).rejects.toThrow(message);
  await expect(loadTokenizer(folder)).rejects.toMatchObject({ name: 'UserError' });
});
