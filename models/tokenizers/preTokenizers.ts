/** What is used of the library's pre-tokenizers. */
export interface PreTokenizer {
  pre_tokenize_text(text: string): string[];
  /** Of a sequence. */
  tokenizers?: (PreTokenizer | null)[];
}

type Config = { type?: unknown; pretokenizers?: unknown } | null | undefined;

/** As the Rust library splits: JavaScript takes U+FEFF for white space and U+0085 not, and only ASCII for letters of a word. */
const SPLITS: Readonly<Record<string, (text: string) => string[]>> = {
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
  if (split) preTokenizer.pre_tokenize_text = split;
}
