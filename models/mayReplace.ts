import { readdir } from 'node:fs/promises';
import { UserError } from '../util/errors';
import { fileError } from '../util/files';

/** Whether an output folder holds a model that is to be replaced. @throws UserError where it holds anything that may not be */
export async function mayReplace(output: string, overwrite: boolean): Promise<boolean> {
  const files: string[] = await readdir(output).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw fileError(error, 'write', output);
  });
  if (files.length === 0) return false;
  if (!files.includes('config.json'))
    throw new UserError(`--output ${output}: the folder holds other files and no model; name a new folder`);
  if (!overwrite) throw new UserError(`--output ${output}: the folder already holds another model; add --overwrite to replace it`);
  return true;
}
