import { randomUUID } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileError } from '../util/files';

/** Paths of a replacement under way: what is made, what it replaces, and where that is put aside for a moment. */
interface Replacement {
  temporary: string;
  target: string;
  old: string;
}

const unfinished = new Set<Replacement>();

/** Undoes at once what is being made: for a command that is interrupted. */
export function removeUnfinished(): void {
  for (const replacement of unfinished) {
    putBack(replacement);
    rmSync(replacement.temporary, { recursive: true, force: true });
  }
}

/** Between the two renamings there is nothing in the place. */
function putBack({ target, old }: Replacement): void {
  if (existsSync(old) && !existsSync(target)) renameSync(old, target);
}

/**
 * Makes a folder beside its place, then puts it there: it appears whole or not at all, and what it replaces is there until then.
 * @param replaces there is a folder to replace  @param write makes the folder that it is given the path of, parents too
 * @throws UserError naming the output, or what `write` throws
 */
export async function replaceFolder(output: string, replaces: boolean, write: (temporary: string) => Promise<void>): Promise<void> {
  const target = resolve(output);
  const beside = `${target}.${randomUUID().slice(0, 8)}`;
  const replacement = { target, temporary: `${beside}.tmp`, old: `${beside}.old` };
  const { temporary, old } = replacement;
  unfinished.add(replacement);
  try {
    await write(temporary);
    // moved, not removed: what cannot be removed would leave half of it, and no other
    if (replaces) await rename(target, old);
    await rename(temporary, target);
    await rm(old, { recursive: true, force: true }).catch((error: unknown) => {
      throw fileError(error, 'remove', old);
    });
  } catch (error) {
    putBack(replacement);
    await rm(temporary, { recursive: true, force: true });
    throw fileError(error, 'write', output);
  } finally {
    unfinished.delete(replacement);
  }
}
