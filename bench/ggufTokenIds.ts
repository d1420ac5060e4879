import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { loadTokenizer } from '../models/tokenizer';

/**
 * Compares an imported folder's tokenizer with the ids that bench/ggufTokenIds.py wrote:
 * `node dist/bench/ggufTokenIds.js ids.jsonl MODEL_FOLDER`. Prints a line a file and exits with 1 where any sentence differs.
 */
async function main(idsPath: string, folder: string): Promise<void> {
  const tokenizer = await loadTokenizer(folder);
  const counts = new Map<string, { equal: number; sentences: number; tokens: number; decoded: number }>();
  let shown = 0;
  for await (const line of createInterface({ input: createReadStream(idsPath) })) {
    const { file, text, ids } = JSON.parse(line) as { file: string; text: string; ids: number[] };
    const count = counts.get(file) ?? { equal: 0, sentences: 0, tokens: 0, decoded: 0 };
    counts.set(file, count);
    const found = tokenizer.encode(text, { specialTokens: true });
    const equal = found.length === ids.length && found.every((id, i) => id === ids[i]);
    if (!equal && shown++ < 10) console.log(`differs: ${JSON.stringify(text)}\n  expected ${ids}\n  found    ${found}`);
    count.sentences++;
    count.tokens += ids.length;
    if (equal) count.equal++;
    if (tokenizer.decode(found) === text) count.decoded++;
  }
  let different = 0;
  for (const [file, { equal, sentences, tokens, decoded }] of counts) {
    console.log(`${file}: ${equal} of ${sentences} sentences equal, ${tokens} tokens, ${decoded} decode to themselves`);
    different += sentences - equal;
  }
  const total = [...counts.values()].reduce((sum, { sentences }) => sum + sentences, 0);
  console.log(`${total - different} of ${total} sentences equal`);
  process.exitCode = different === 0 && total > 0 ? 0 : 1;
}

void main(process.argv[2], process.argv[3]);
