import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { replaceFolder } from '../models/replaceFolder';
import { UserError } from '../util/errors';
import { checkWritableFolder, fileError, modelFileIn, writeAtomic } from '../util/files';
import { writtenConfig, type RunConfig } from './runConfig';

/** What a run makes in its output folder; anything else there is the user's and left alone. */
const CONTENTS = ['config.json', 'metrics.jsonl', 'checkpoints', 'model'];
/** A model, configuration or log that a killed run left half written. */
const UNFINISHED = /^(model|config\.json|metrics\.jsonl)\.[0-9a-f]{8}\.tmp$/;

/** Refuses an output folder that holds a run, unless told to resume or overwrite it. @throws UserError naming the remedy */
export async function checkRunFolder({ model, adapter, output, resume, overwrite }: RunConfig): Promise<void> {
  for (const [flag, folder] of [['model', model] as const, ...(adapter === undefined ? [] : [['adapter', adapter] as const])]) {
    const inside = relative(output, folder);
    if (inside === '' || CONTENTS.some((name) => inside === name || inside.startsWith(`${name}${sep}`)))
      throw new UserError(`--${flag} ${folder} lies in --output ${output}, which this run writes: give another output folder`);
  }
  await checkWritableFolder(output, '--output');
  const modelFile = await modelFileIn(output);
  if (modelFile !== undefined) throw new UserError(`--output ${output} holds a model (${modelFile}): give another output folder`);
  const held = CONTENTS.find((name) => existsSync(join(output, name)));
  if (held !== undefined && !resume && !overwrite) {
    throw new UserError(`${output} already holds a run (${held}): --resume goes on with it, --overwrite deletes it`);
  }
}

/** Makes the folder, without an earlier run unless this one goes on with it, and writes config.json. @throws UserError */
export async function prepareRunFolder(config: RunConfig, goesOn: boolean): Promise<void> {
  try {
    await mkdir(config.output, { recursive: true });
    const gone = (await readdir(config.output)).filter((name) => UNFINISHED.test(name) || (!goesOn && CONTENTS.includes(name)));
    for (const name of gone) await rm(join(config.output, name), { recursive: true, force: true });
  } catch (error) {
    throw fileError(error, 'write to', config.output);
  }
  await writeAtomic(join(config.output, 'config.json'), `${JSON.stringify(writtenConfig(config), null, 2)}\n`);
}

/** Writes the trained model to `<output>/model`, whole or not at all; an earlier one stays until then. @param fill writes its files to a folder @returns the folder */
export async function saveFinalModel(output: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const target = join(output, 'model');
  await replaceFolder(target, existsSync(target), fill);
  return target;
}
