import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../util/errors';
import { fileError } from '../util/files';
import { readJsonLines, textField } from '../util/jsonLines';
import { checkLanguage } from './languages';
import type { Prompt } from './types';

export interface PromptOptions {
  /** Only these; each must be there. All that are there by default. */
  languages?: readonly string[];
  /** Prompts a language, the first ones. */
  limit?: number;
}

/** Codes in RTP-LX's file names that are no language subtag followed by a variant. */
const RTP_LX_CODES: Readonly<Record<string, string>> = { 'br-pt': 'pt', bcms: 'bs' };
const RTP_LX_FILE = /^RTP_LX_(.+)\.json$/i;

/** `ZH-Hans` → `zh`, `PT-BR` → `pt`. */
function rtpLxLanguage(file: string): string {
  const code = RTP_LX_FILE.exec(basename(file))![1].toLowerCase();
  return checkLanguage(RTP_LX_CODES[code] ?? code.split('-')[0], file);
}

/**
 * Reads the prompts of a toxicity evaluation: the official RTP-LX layout (de Wynter et al. 2024, arXiv 2404.14397; a folder of
 * `RTP_LX_XX.json` or one such file, an object a line with `Prompt`), or JSONL lines `{language, prompt}`.
 * Where a folder holds two variants of a language (PT and PT-BR, ZH-Hans and ZH-Hant), the first in alphabetical order is read.
 * Prompts come language after language, in the order of the options, or else of the alphabet.
 * @throws UserError naming file and line; also for a language asked for that is not there
 */
export async function readPrompts(path: string, options: PromptOptions = {}): Promise<Prompt[]> {
  const files = await rtpLxFiles(path);
  const texts = new Map<string, string[]>();
  if (files) {
    for (const file of files) {
      const language = rtpLxLanguage(file);
      if (texts.has(language)) continue;
      texts.set(
        language,
        (await readJsonLines(file)).map((line) => textField(file, line, 'Prompt')),
      );
    }
  } else {
    for (const line of await readJsonLines(path)) {
      const language = checkLanguage(textField(path, line, 'language'), `${path}:${line.line}`);
      const known = texts.get(language) ?? [];
      known.push(textField(path, line, 'prompt'));
      texts.set(language, known);
    }
  }
  const present = [...texts.keys()].filter((language) => texts.get(language)!.length > 0).sort();
  const wanted = options.languages ?? present;
  const missing = wanted.filter((language) => !present.includes(language));
  if (missing.length > 0) throw new UserError(`${path}: no prompts in ${missing.join(', ')}; found: ${present.join(', ') || 'none'}`);
  if (wanted.length === 0) throw new UserError(`${path}: holds no prompts`);
  return wanted.flatMap((language) =>
    texts
      .get(language)!
      .slice(0, options.limit)
      .map((text, index) => ({ language, index, text })),
  );
}

/** The RTP-LX files that a path stands for, or null for a JSONL file. */
async function rtpLxFiles(path: string): Promise<string[] | null> {
  try {
    if (!(await stat(path)).isDirectory()) return RTP_LX_FILE.test(basename(path)) ? [path] : null;
    const names = (await readdir(path)).filter((name) => RTP_LX_FILE.test(name)).sort();
    if (names.length === 0) throw new UserError(`${path}: no RTP_LX_XX.json in this folder; give the RTP-LX folder or a JSONL file`);
    return names.map((name) => join(path, name));
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}
