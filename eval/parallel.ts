import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { decodeHTML } from 'entities';
import { UserError } from '../util/errors';
import { fileError, readText } from '../util/files';
import { readJsonLines, textField } from '../util/jsonLines';
import { checkLanguage } from './languages';

/** Sentences by language; sentence n of every language says the same. English is always there. */
export interface ParallelSentences {
  languages: Record<string, string[]>;
}

/** `fr.txt`; and `dpo_toxicity_pairwise_fr_200.jsonl`, as Li, Yong and Bach (arXiv 2406.16235) publish their parallel prompts. */
const TEXT_FILE = /^([a-z]{2,3})\.txt$/i;
const PAIRWISE_FILE = /^dpo_toxicity_pairwise_([a-z]{2,3})_\d+\.jsonl$/i;

/**
 * Reads parallel sentences: a folder of `LANG.txt`, aligned by line with `en.txt` (or of the paper's
 * `dpo_toxicity_pairwise_LANG_200.jsonl`), or JSONL with a key a language. HTML entities that translators left in are unescaped.
 * @param only languages to keep beside English; each must be there
 * @throws UserError naming the file and line: no English, unequal counts (both files named), a blank sentence, an unknown language
 */
export async function readParallel(path: string, only?: readonly string[]): Promise<ParallelSentences> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (error) {
    throw fileError(error, 'read', path);
  }
  const languages = isFolder ? await readFolder(path, only) : await readLines(path);
  const names = Object.keys(languages).sort();
  if (!languages.en) throw new UserError(`${path}: no English sentences; found: ${names.join(', ') || 'none'}`);
  const missing = (only ?? []).filter((language) => !languages[language]);
  if (missing.length > 0) throw new UserError(`${path}: no sentences in ${missing.join(', ')}; found: ${names.join(', ')}`);
  const kept = names.filter((language) => !only || language === 'en' || only.includes(language));
  if (languages.en.length === 0) throw new UserError(`${path}: holds no sentences`);
  return { languages: Object.fromEntries(kept.map((language) => [language, languages[language]])) };
}

async function readFolder(folder: string, only?: readonly string[]): Promise<Record<string, string[]>> {
  const all = (await readdir(folder)).sort();
  const pattern = all.some((name) => TEXT_FILE.test(name)) ? TEXT_FILE : PAIRWISE_FILE;
  const files = new Map<string, string>();
  for (const name of all.filter((name) => pattern.test(name))) {
    const file = join(folder, name);
    files.set(checkLanguage(pattern.exec(basename(name))![1], file), file);
  }
  const english = files.get('en');
  if (!english)
    throw new UserError(`${folder}: no en.txt in this folder; give a folder of LANG.txt aligned by line with en.txt, or a JSONL file`);
  const result: Record<string, string[]> = { en: await readSentences(english) };
  for (const [language, file] of files) {
    if (language === 'en' || (only && !only.includes(language))) continue;
    result[language] = await readSentences(file);
    if (result[language].length !== result.en.length)
      throw new UserError(
        `${file} has ${result[language].length} lines and ${english} ${result.en.length}; they must be aligned line by line`,
      );
  }
  return result;
}

async function readSentences(file: string): Promise<string[]> {
  if (!TEXT_FILE.test(basename(file))) return (await readJsonLines(file)).map((line) => clean(textField(file, line, 'Prompt')));
  const lines = (await readText(file)).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, index) => {
    const sentence = clean(line);
    if (sentence === '') throw new UserError(`${file}:${index + 1}: blank line; every line must hold a sentence`);
    return sentence;
  });
}

async function readLines(path: string): Promise<Record<string, string[]>> {
  const result: Record<string, string[]> = {};
  let keys: string[] | undefined;
  for (const line of await readJsonLines(path)) {
    // the first line decides which keys are languages, so that a line that lacks one is an error and not a shift
    keys ??= Object.keys(line.value).filter((key) => typeof line.value[key] === 'string');
    for (const key of keys) (result[checkLanguage(key, `${path}:${line.line}`)] ??= []).push(clean(textField(path, line, key)));
  }
  return result;
}

function clean(text: string): string {
  return decodeHTML(text).trim();
}
