import { spawn } from 'node:child_process';
import { basename, join } from 'node:path';
import { packageRoot } from '../util/packageRoot';
import type { Printed } from './ours/program';
import type { Program } from './suite';

/** A program's figures, or why there are none. */
export type Outcome = { printed: Printed } | { missing: string };

/** The python that runs the peers: `DPO_BENCH_PYTHON`, else `python3`. */
export function peerPython(): string {
  return process.env.DPO_BENCH_PYTHON || 'python3';
}

/** The command of a program of ours, or of a peer's. */
export function commandOf(side: 'ours' | 'peers', { script, options }: Program): [string, string[]] {
  const json = JSON.stringify(options);
  return side === 'ours'
    ? [process.execPath, [join(__dirname, 'ours', `${script}.js`), json]]
    : [peerPython(), [join(packageRoot(), 'bench/peers', `${script}.py`), json]];
}

/** Runs a program to its end, in a process of its own: nothing of one is warm or in memory when the next is timed. */
export async function runProgram(side: 'ours' | 'peers', program: Program): Promise<Outcome> {
  const [command, args] = commandOf(side, program);
  const { code, output, errors } = await finished(command, args);
  const last = output.trim().split('\n').at(-1) ?? '';
  if (code === 0 && last.startsWith('{')) return { printed: JSON.parse(last) as Printed };
  return { missing: reasonOf(command, code, errors) };
}

/** Why a program gave no figures, in one line. */
export function reasonOf(command: string, code: number | string, errors: string): string {
  const absent = /ModuleNotFoundError: No module named '([^'.]+)/.exec(errors)?.[1];
  // the name alone: what is written is read on other machines
  if (absent !== undefined) return `${basename(command)} has no ${absent}`;
  if (code === 'ENOENT') return `there is no ${command}`;
  const lines = errors.trim().split('\n');
  const told = lines.findLast((line) => /^(\w*Error|error)\b/.test(line)) ?? lines.at(-1) ?? '';
  return `ended with ${code}: ${told}`.slice(0, 200);
}

function finished(command: string, args: string[]): Promise<{ code: number | string; output: string; errors: string }> {
  return new Promise((done) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, errors] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('error', (error: NodeJS.ErrnoException) => done({ code: error.code ?? 'an error', output, errors: error.message }));
    child.on('close', (code, signal) => done({ code: code ?? signal ?? 'no code', output, errors }));
  });
}
