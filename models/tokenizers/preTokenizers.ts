/** What is used of the library's pre-tokenizers. */
export interface PreTokenizer {
  pre_tokenize_text(text: string): string[];
  /** Of GPT-2's words. */
  pattern?: unknown;
  /** Of a sequence. */
  tokenizers?: (PreTokenizer | null)[];
}

type Config = { type?: unknown; pretokenizers?: unknown; individual_digits?: unknown } | null | undefined;

/** GPT-2's words, before their bytes become letters. */
const BYTE_LEVEL_WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** As the Rust library splits: JavaScript takes U+FEFF for white space and U+0085 not, and only ASCII for letters of a word and for digits. */
const SPLITS: Readonly<Record<string, (text: string, config: NonNullable<Config>) => string[]>> = {
  Digits: (text, config) => text.match(config.individual_digits === true ? /\P{N}+|\p{N}/gu : /\P{N}+|\p{N}+/gu) ?? [],
  WhitespaceSplit: (text) => text.split(/\p{White_Space}+/u).filter((word) => word !== ''),
  Whitespace: (text) =>
    text.match(/[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu) ??
    [],
};

/** Puts our own rules into the library's pre-tokenizers that follow JavaScript's. @param config tokenizer.json's, for the same one */
export function useOurPreTokenizers(preTokenizer: PreTokenizer | null | undefined, config: Config): void {
  if (!preTokenizer || !config) return;
  const parts = Array.isArray(config.pretokenizers) ? (config.pretokenizers as Config[]) : [];
  preTokenizer.tokenizers?.forEach((part, i) => useOurPreTokenizers(part, parts[i]));
  const split = SPLITS[String(config.type)];
  if (split) preTokenizer.pre_tokenize_text = (text) => split(text, config);
  if (config.type === 'ByteLevel') preTokenizer.pattern = BYTE_LEVEL_WORDS;
}
