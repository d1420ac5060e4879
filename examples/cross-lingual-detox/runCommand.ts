import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { defaultCacheFolder } from '../../util/files';
import { packageRoot } from '../../util/packageRoot';

export const root = packageRoot();
/** What ships with the example: pairs, prompts, parallel sentences. */
export const data = join(root, 'examples/cross-lingual-detox/data');
/** Gemma 3 270M as `importModel` leaves it. */
export const model = join(defaultCacheFolder(), 'imported/gemma3-270m');
export const scorers = `probe:${join(root, 'examples/cross-lingual-detox/probe-gemma3-270m.json')},lexicon`;

// Ctrl-C reaches the command too, which ends in good order; this process waits for it and passes its status on
process.on('SIGINT', () => {});

/** Prints and runs one of the project's commands; its failure ends this process with its status. */
export function runCommand(command: string, ...args: string[]): void {
  const shown = args.map((arg) => (arg.startsWith(root) ? relative(process.cwd(), arg) : arg));
  process.stdout.write(`\n$ ${command} ${shown.join(' ')}\n`);
  const { status, signal } = spawnSync(process.execPath, [join(root, 'dist/bin', `${command}.js`), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? (signal === 'SIGINT' ? 130 : 1));
}

/** Fetches and imports the model, unless it is there. */
export function importModel(): void {
  if (!existsSync(join(model, 'config.json'))) runCommand('dpo-import', 'pypi:gemma3-270m', '--output', model);
}
