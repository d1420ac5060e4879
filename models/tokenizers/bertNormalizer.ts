/** The switches of tokenizer.json's `BertNormalizer`. */
export interface BertNormalizerOptions {
  clean_text?: boolean;
  handle_chinese_chars?: boolean;
  /** Null: as `lowercase`. */
  strip_accents?: boolean | null;
  lowercase?: boolean;
}

/** CJK ideographs: letters of Japanese and Korean scripts are not among them. */
const IDEOGRAPH =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

/**
 * What BERT does to a text before it cuts it into words, letter by letter as the tokenizers library does it. (Its JavaScript port knows
 * no ideograph beyond U+FFFF, and lowers Greek sigmas by their place in the word.)
 */
export function bertNormalizer(options: BertNormalizerOptions): (text: string) => string {
  const { clean_text: clean = true, handle_chinese_chars: ideographs = true, lowercase = true } = options;
  const strip = options.strip_accents ?? lowercase;
  return (text) => {
    let result = text;
    // control, format and private characters go; those that are spaces stay as one
    if (clean)
      result = result
        .replace(/[\t\n\r]/g, ' ')
        .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/gu, '')
        .replace(/\p{White_Space}/gu, ' ');
    if (ideographs) result = result.replace(IDEOGRAPH, ' $& ');
    if (strip) result = result.normalize('NFD').replace(/\p{Mn}/gu, '');
    return lowercase ? Array.from(result, (letter) => letter.toLowerCase()).join('') : result;
  };
}
