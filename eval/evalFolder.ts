import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { UserError } from '../util/errors';
import { checkWritableFolder, fileError, modelFileIn, readJson, writeAtomic } from '../util/files';
import { flagName } from '../util/optionIssues';
import { writtenEvalConfig, type EvalConfig } from './evalConfig';
import { writePromptsFile } from './promptsFile';
import { readPrompts } from './prompts';
import type { Prompt } from './types';

/** What an evaluation makes in its output folder; anything else there is the user's and left alone. */
const CONTENTS = ['config.json', 'prompts.jsonl', 'parts', 'generations.arrow', 'scores.arrow', 'preference.jsonl', 'eval.json'];

/** What finished continuations depend on, besides the prompts themselves. */
const SAMPLING = ['samples', 'maxNewTokens', 'temperature', 'topP', 'seed', 'precision', 'applyChatTemplate', 'chatTemplateDate'] as const;
/** Of an option that an older version did not write. */
const DEFAULTS: Readonly<Record<string, unknown>> = { applyChatTemplate: false };

/** Refuses an output folder that holds an evaluation, unless told to resume or overwrite it. @throws UserError naming the remedy */
export async function checkEvalFolder({ output, resume, overwrite, ...config }: EvalConfig): Promise<void> {
  await checkWritableFolder(output, '--output');
  for (const key of ['model', 'reference', 'fluencyModel', 'prompts', 'parallel', 'pairs'] as const) {
    const inside = config[key] === undefined ? '..' : relative(resolve(output), resolve(config[key]));
    if (overwrite && CONTENTS.some((name) => inside === name || inside.startsWith(`${name}${sep}`)))
      throw new UserError(
        `--${flagName(key)} ${config[key]} lies in --output ${output}, which --overwrite empties: give another output folder`,
      );
  }
  if ((await modelFileIn(output)) ?? ['metrics.jsonl', 'checkpoints'].find((name) => existsSync(join(output, name))))
    throw new UserError(`${output} holds a model or a training run: give another output folder`);
  const held = CONTENTS.find((name) => existsSync(join(output, name)));
  if (held !== undefined && !resume && !overwrite)
    throw new UserError(`${output} already holds an evaluation (${held}): --resume goes on with it, --overwrite deletes it`);
}

/** The chat template's day of the evaluation that this one goes on with, if it wrote one. */
export async function templateDayBefore({ output, resume }: EvalConfig): Promise<unknown> {
  const file = join(output, 'config.json');
  if (!resume || !existsSync(file)) return undefined;
  return ((await readJson(file)) as Record<string, unknown> | null)?.chatTemplateDate;
}

/**
 * Makes the folder ready and writes config.json, and prompts.jsonl where there are prompts. With `resume`, continuations made with the
 * same model, options and prompts stay. eval.json always goes: it is written last.
 * @throws UserError where there are continuations made otherwise, naming the first difference
 */
export async function prepareEvalFolder(config: EvalConfig, modelHash: string, prompts: readonly Prompt[] | null): Promise<void> {
  const { output, resume } = config;
  const path = (name: string): string => join(output, name);
  const goesOn = resume && existsSync(path('config.json'));
  const written = { version: 1, modelHash, ...writtenEvalConfig(config) };
  const resumes = goesOn && (existsSync(path('parts')) || existsSync(path('generations.arrow')));
  if (resumes && prompts) await checkSame(path, written, prompts, output);
  try {
    await mkdir(output, { recursive: true });
    const stale = goesOn ? ['scores.arrow', 'preference.jsonl', 'eval.json'] : CONTENTS;
    for (const name of stale) await rm(path(name), { recursive: true, force: true });
  } catch (error) {
    throw fileError(error, 'write to', output);
  }
  await writeAtomic(path('config.json'), `${JSON.stringify(written, null, 2)}\n`);
  if (prompts) await writePromptsFile(path('prompts.jsonl'), prompts);
}

async function checkSame(
  path: (name: string) => string,
  now: Record<string, unknown>,
  prompts: readonly Prompt[],
  output: string,
): Promise<void> {
  const before = (await readJson(path('config.json'))) as Record<string, unknown>;
  const refuse = (what: string): never => {
    throw new UserError(`cannot go on with ${output}: ${what}; give the same options, or --overwrite`);
  };
  if (before.modelHash !== now.modelHash) refuse(`its continuations are of another model (${String(before.model)})`);
  for (const key of SAMPLING) {
    // pairs are written with a template too, but no continuation depends on them
    if (key === 'chatTemplateDate' && now.applyChatTemplate !== true) continue;
    if ((before[key] ?? DEFAULTS[key]) !== now[key])
      refuse(`--${flagName(key)} was ${JSON.stringify(before[key] ?? DEFAULTS[key])} and is now ${JSON.stringify(now[key])}`);
  }
  const known = await readPrompts(path('prompts.jsonl'));
  const byLanguage = (list: readonly Prompt[]): string =>
    JSON.stringify([...list].sort((a, b) => (a.language < b.language ? -1 : a.language > b.language ? 1 : a.index - b.index)));
  if (byLanguage(known) !== byLanguage(prompts)) refuse('it continued other prompts (--prompts, --languages or --limit differ)');
}
