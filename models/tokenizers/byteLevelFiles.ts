import { UserError } from '../../util/errors';
import { readJson, readText } from '../../util/files';
import { lookup } from '../../util/suggest';
import { isTokenId, MOST_TOKENS } from './checkTokenizerJson';
import { tokenizerJson } from './tokenizerJson';

type Split = { normalizer: object | null; preTokenizer: (prefixSpace: boolean) => object };

const gpt2: Split = {
  normalizer: null,
  preTokenizer: (prefixSpace) => ({ type: 'ByteLevel', add_prefix_space: prefixSpace, trim_offsets: true, use_regex: true }),
};

/** How text is cut into words before bytes are merged, by tokenizer class. */
const SPLITS: Readonly<Record<string, Split>> = {
  GPT2Tokenizer: gpt2,
  RobertaTokenizer: gpt2,
  Qwen2Tokenizer: {
    normalizer: { type: 'NFC' },
    preTokenizer: (prefixSpace) => ({
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: QWEN2_WORDS }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: prefixSpace, trim_offsets: true, use_regex: false },
      ],
    }),
  },
};

const QWEN2_WORDS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/**
 * tokenizer.json of GPT-2's, RoBERTa's and Qwen 2's tokenizers from the files that they were published in: BPE over bytes.
 * @param tokenizerClass as tokenizer_config.json names it, without `Fast`
 * @throws UserError naming the file, the line of a damaged merge, or a class that cuts text otherwise
 */
export async function byteLevelFiles(
  vocabularyFile: string,
  mergesFile: string,
  tokenizerClass: string,
  prefixSpace: boolean,
): Promise<Record<string, unknown>> {
  const { normalizer, preTokenizer } = lookup(SPLITS, tokenizerClass, `tokenizer class beside ${vocabularyFile}`);
  const vocab = await readVocabulary(vocabularyFile);
  return tokenizerJson({
    normalizer,
    pre_tokenizer: preTokenizer(prefixSpace),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: await readMerges(mergesFile, vocab, vocabularyFile),
    },
  });
}

async function readVocabulary(file: string): Promise<Record<string, number>> {
  const json = await readJson(file);
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new UserError(`${file}: must hold a JSON object: ids by their tokens`);
  for (const [token, id] of Object.entries(json))
    if (!isTokenId(id))
      throw new UserError(
        `${file}: the token ${JSON.stringify(token)} has the id ${JSON.stringify(id)}; it must be a whole number from 0 to ${MOST_TOKENS - 1}`,
      );
  return json as Record<string, number>;
}

async function readMerges(file: string, vocab: Readonly<Record<string, number>>, vocabularyFile: string): Promise<[string, string][]> {
  const merges: [string, string][] = [];
  const lines = (await readText(file)).split('\n');
  if (lines.at(-1) === '') lines.pop();
  lines.forEach((line, i) => {
    if (line.startsWith('#version')) return;
    const parts = line.replace(/\r$/, '').split(' ');
    if (parts.length !== 2)
      throw new UserError(
        `${file}:${i + 1}: ${JSON.stringify(line.slice(0, 80))} is no merge; it must be two tokens with one space between them`,
      );
    const [left, right] = parts;
    const stranger = [left, right, left + right].find((token) => !Object.hasOwn(vocab, token));
    if (stranger !== undefined) throw new UserError(`${file}:${i + 1}: ${vocabularyFile} has no token ${JSON.stringify(stranger)}`);
    merges.push([left, right]);
  });
  return merges;
}
