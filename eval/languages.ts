import { distance } from 'fastest-levenshtein';
import { UserError } from '../util/errors';

/** The 17 languages of the study, by ISO 639-1 code. */
export const STUDY_LANGUAGES: Readonly<Record<string, string>> = {
  ar: 'Arabic',
  cs: 'Czech',
  de: 'German',
  en: 'English',
  es: 'Spanish',
  fr: 'French',
  hi: 'Hindi',
  id: 'Indonesian',
  it: 'Italian',
  ja: 'Japanese',
  ko: 'Korean',
  nl: 'Dutch',
  pl: 'Polish',
  pt: 'Portuguese',
  ru: 'Russian',
  sv: 'Swedish',
  zh: 'Chinese',
};

const englishNames = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'none' });

/** A language's English name, or undefined for a code that nobody knows. */
export function languageName(code: string): string | undefined {
  return STUDY_LANGUAGES[code] ?? (/^[a-z]{2,3}$/.test(code) ? englishNames.of(code) : undefined);
}

/**
 * The canonical ISO 639 code of what a user wrote: lower case, two letters where there is such a code (`FRA` and `FR` give `fr`,
 * `iw` gives `he`). Any language with a known name is allowed, not the 17 alone.
 * @param where what the message starts with: `--languages`, or a file and line
 * @throws UserError for a code that nobody knows
 */
export function checkLanguage(code: string, where: string): string {
  const lower = code.trim().toLowerCase();
  // canonicalising adds a script to a few old codes (sh → sr-Latn): the language alone counts
  const canonical = /^[a-z]{2,3}$/.test(lower) ? Intl.getCanonicalLocales(lower)[0].split('-')[0] : lower;
  if (languageName(canonical) !== undefined) return canonical;
  const known = Object.keys(STUDY_LANGUAGES);
  const named = known.find((key) => STUDY_LANGUAGES[key].toLowerCase() === lower);
  // two letters are always within two slips of some code: one slip at most
  const guess = named ?? known.find((key) => distance(key, lower) === 1);
  throw new UserError(
    `${where}: unknown language code "${code}"${guess ? `; did you mean "${guess}"?` : ';'} known: ${known.join(', ')}, and every other ISO 639 code`,
  );
}

/**
 * A list of language codes, separated by commas or blanks, each once, in the order given.
 * @throws UserError for an empty list or a code that nobody knows
 */
export function parseLanguages(list: string | readonly string[], where = '--languages'): string[] {
  const codes = (typeof list === 'string' ? [list] : list).flatMap((part) => part.split(/[\s,]+/)).filter((code) => code !== '');
  if (codes.length === 0) throw new UserError(`${where}: no language given; known: ${Object.keys(STUDY_LANGUAGES).join(', ')}`);
  return [...new Set(codes.map((code) => checkLanguage(code, where)))];
}
