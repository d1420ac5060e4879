import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileError } from '../util/files';

const unfinished = new Set<string>();

/** Removes at once what is being made: for a command that is interrupted. */
export function removeUnfinished(): void {
  for (const folder of unfinished) rmSync(folder, { recursive: true, force: true });
}

/**
 * Makes a folder beside its place, then puts it there: it appears whole or not at all, and what it replaces is there until then.
 * @param replaces there is a folder to replace  @param write makes the folder that it is given the path of, parents too
 * @throws UserError naming the output, or what `write` throws
 */
export async function replaceFolder(output: string, replaces: boolean, write: (temporary: string) => Promise<void>): Promise<void> {
  const target = resolve(output);
  const beside = `${target}.${randomUUID().slice(0, 8)}`;
  const [temporary, old] = [`${beside}.tmp`, `${beside}.old`];
  unfinished.add(temporary);
  try {
    await write(temporary);
    // moved, not removed: what cannot be removed would leave half of it, and no other
    if (replaces) await rename(target, old);
    await rename(temporary, target);
    await rm(old, { recursive: true, force: true }).catch((error: unknown) => {
      throw fileError(error, 'remove', old);
    });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw fileError(error, 'write', output);
  } finally {
    unfinished.delete(temporary);
  }
}
