import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTokenizer } from '../../../models/tokenizer';
// what sentencepiece, tokenizers and transformers made of the texts: test/goldens/hostileTexts.py
import golden from '../../goldens/hostileTexts.json';

const goldens = join(__dirname, '..', '..', 'goldens');
const root = mkdtempSync(join(tmpdir(), 'hostile-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const digest = (ids: readonly number[]): string => createHash('sha256').update(JSON.stringify(ids)).digest('hex').slice(0, 8);

/** A folder with the named tokenizer of the golden. */
function folderOf(name: string): string {
  const published = join(goldens, 'tokenizerFiles', name);
  if (existsSync(published)) return published;
  const folder = join(root, name);
  mkdirSync(folder);
  const json = name === 'tokenizer.json';
  cpSync(join(goldens, 'sentencePiece', json ? name : `${name}.model`), join(folder, json ? name : 'tokenizer.model'));
  writeFileSync(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ tokenizer_class: json ? 'TokenizersBackend' : 'Other', eos_token: '</s>' }),
  );
  return folder;
}

test.each(Object.entries(golden.models))('%s', async (name, { digests, oracle }) => {
  const { encode } = await loadTokenizer(folderOf(name));
  expect(digests.length).toBe(golden.texts.length);
  // a special token in a text is text to sentencepiece, and nothing else in this program
  expect(digests.filter((value) => value !== null).length).toBeGreaterThan(200);
  const differ = golden.texts.filter(
    (text, i) => digests[i] !== null && digest(encode(text, { specialTokens: oracle === 'transformers' })) !== digests[i],
  );
  expect(differ).toEqual([]);
});
