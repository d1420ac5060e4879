import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const bin = join(__dirname, '../../dist/bin');

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Starts a command of the build (`npm run build` must have run) with its output captured. */
export function startCommand(name: string, args: readonly string[]): { child: ChildProcess; finished: Promise<Finished> } {
  const file = join(bin, `${name}.js`);
  if (!existsSync(file)) throw new Error(`${file} is missing: npm run build`);
  // spinning threads of libtorch would take the processor from the tests beside this one
  const child = spawn(process.execPath, [file, ...args], { env: { ...process.env, OMP_WAIT_POLICY: 'passive' } });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => (output.stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (output.stderr += data.toString()));
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  return { child, finished };
}

/** Runs a command to its end. */
export const runCommand = (name: string, args: readonly string[]): Promise<Finished> => startCommand(name, args).finished;
