/** How text is cut into words before bytes are merged: what a family's tokenizer.json on the Hugging Face hub says. */
export interface WordSplit {
  /** Regular expressions, applied one after the other; each match is a word, and so is what lies between two. */
  patterns: readonly string[];
  /** Whether letters with marks are composed first. */
  composes?: boolean;
  /** Whether a word that is a token is that token, whatever the merges make of it. */
  ignoresMerges?: boolean;
  /** Whether the beginning-of-sequence token is put in front where the metadata do not say (as llama.cpp has it). */
  addsBos?: boolean;
}

const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const DIGIT = String.raw`\p{N}`;
const BLOOM = String.raw` ?[^()|\s.,!?…。，、।۔،]+`;

/** Llama 3's and Qwen 2's differ in how many digits stay together. */
const contractions = (digits: string): string =>
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** Mistral's: words end before a capital. */
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const TEKKEN = [
  String.raw`[^\r\n\p{L}\p{N}]?${UPPER}*${LOWER}+`,
  String.raw`[^\r\n\p{L}\p{N}]?${UPPER}+${LOWER}*`,
  String.raw`\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
].join('|');

const gpt2: WordSplit = { patterns: [GPT2] };
const neox: WordSplit = { patterns: [GPT2], composes: true };
const digits: WordSplit = { patterns: [DIGIT, GPT2] };
const llama3: WordSplit = { patterns: [contractions(String.raw`\p{N}{1,3}`)], ignoresMerges: true, addsBos: true };
const qwen2 = contractions(DIGIT);

/**
 * By `tokenizer.ggml.pre`. Which names mean the same: llama.cpp, llama-vocab.cpp. `default` is what converters wrote before there were
 * names, for GPT-2's kind.
 */
export const WORD_SPLITS: Readonly<Record<string, WordSplit>> = {
  default: gpt2,
  'gpt-2': gpt2,
  'phi-2': gpt2,
  'jina-es': gpt2,
  'jina-de': gpt2,
  jais: gpt2,
  mpt: neox,
  olmo: neox,
  smollm: digits,
  starcoder: digits,
  refact: digits,
  'command-r': { ...digits, composes: true },
  bloom: { patterns: [BLOOM] },
  llama3,
  'llama-v3': llama3,
  'llama-bpe': llama3,
  qwen2: { patterns: [qwen2], composes: true },
  'deepseek-r1-qwen': { patterns: [qwen2] },
  tekken: { patterns: [TEKKEN], ignoresMerges: true, addsBos: true },
};

/** The pre-tokenizer of tokenizer.json: the splits, then bytes as letters. */
export function wordSplitter({ patterns }: WordSplit): object {
  return {
    type: 'Sequence',
    pretokenizers: [
      ...patterns.map((pattern) => ({ type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false })),
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  };
}
