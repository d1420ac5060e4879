import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder of the project's `package.json`, from the TypeScript sources and from `dist/` alike. */
export function packageRoot(from = __dirname): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'dpo-trainer') return folder;
    if (folder === dirname(folder)) throw new Error(`internal: no package.json of dpo-trainer above ${from}`);
  }
}
