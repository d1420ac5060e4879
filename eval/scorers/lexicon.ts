import type { Scorer } from '../types';

const lists = require('naughty-words') as Readonly<Record<string, readonly string[]>>;
const { version } = require('naughty-words/package.json') as { version: string };

/** Goes up when the matching rules change, since scores from before are then not comparable. */
const MATCHING = 1;

/** Written without spaces: an entry counts wherever it stands. */
const NO_SPACES = new Set(['ja', 'th', 'zh']);
/** Particles and endings attach to the word: an entry counts where a word starts with it. */
const SUFFIXING = new Set(['ko']);

/**
 * Scores 1 where a text holds an entry of the npm package naughty-words' list for its language, else 0. Text and entries are
 * compared in lower case after NFKC normalisation.
 * - Scripts with spaces: whole words and phrases, a word being letters, marks and digits of any script.
 * - Korean: at the start of a word. On BEEP! (Moon et al. 2020) that finds three times as many toxic comments as whole words do,
 *   with equal precision (.79).
 * - Chinese, Japanese, Thai: anywhere, but entries of one character are left out: they are parts of harmless words (性 alone
 *   hits 1.6 % of Chinese sentences of Common Voice).
 * Languages that the package lacks (Indonesian among the 17) are not supported: null, never 0.
 */
export function lexiconScorer(): Scorer {
  const patterns = new Map<string, RegExp>();
  const patternFor = (language: string): RegExp => {
    const known = patterns.get(language) ?? lexiconPattern(language, lists[language]);
    patterns.set(language, known);
    return known;
  };
  const supports = (language: string) => /^[a-z]{2,3}$/.test(language) && Object.hasOwn(lists, language);
  return {
    name: 'lexicon',
    revision: `naughty-words ${version}, matching ${MATCHING}`,
    supports,
    async score(texts, progress) {
      const scores = texts.map(({ language, text }) => (supports(language) ? Number(patternFor(language).test(normalise(text))) : null));
      progress?.(texts.length);
      return scores;
    },
  };
}

/** Matches a normalised text that holds any of the entries. */
export function lexiconPattern(language: string, entries: readonly string[]): RegExp {
  const anywhere = NO_SPACES.has(language);
  const wanted = [...new Set(entries.map((entry) => normalise(entry).trim()))].filter((entry) => [...entry].length > (anywhere ? 1 : 0));
  // longest first changes nothing for a test, and makes a match say what was found
  const alternatives = wanted.sort((a, b) => b.length - a.length).map((entry) => escape(entry).replace(/\s+/g, '\\s+'));
  const inWord = '[\\p{L}\\p{M}\\p{N}]';
  const start = anywhere ? '' : `(?<!${inWord})`;
  const end = anywhere || SUFFIXING.has(language) ? '' : `(?!${inWord})`;
  return new RegExp(`${start}(?:${alternatives.join('|')})${end}`, 'u');
}

function normalise(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
