import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../util/errors';
import { fileError } from '../util/files';
import type { Progress } from '../util/progress';

/** How a Node-API addon is compiled. */
export interface AddonPlan {
  /** The C++ file, named in errors. */
  source: string;
  /** Named by its library's version and a hash of all that goes into it: a change of any makes another file. */
  target: string;
  /** Compiler arguments, without the output. */
  args: string[];
}

/**
 * Compiles an addon, unless it is there, and returns its path.
 * @param stage what progress calls it
 * @throws UserError without a compiler, or with the first lines of its errors and the command
 */
export async function compileAddon(plan: AddonPlan, stage: string, progress: Progress): Promise<string> {
  if (existsSync(plan.target)) return plan.target;
  const compiler = process.env.CXX || 'g++';
  if (spawnSync(compiler, ['--version']).status !== 0)
    throw new UserError(
      `no C++ compiler: ${compiler} does not run; install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++), or name it in CXX`,
    );
  const temporary = `${plan.target}.${process.pid}.tmp`;
  progress({ stage, done: 0, total: 1 });
  try {
    await mkdir(dirname(plan.target), { recursive: true });
    const { ok, output } = await compile(compiler, [...plan.args, '-o', temporary]);
    if (!ok)
      throw new UserError(
        `${plan.source} did not compile:\n${output.split('\n').slice(0, 12).join('\n')}\nthe command was: ${[compiler, ...plan.args].join(' ')}`,
      );
    await rename(temporary, plan.target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(error, 'write', plan.target);
  }
  progress({ stage, done: 1, total: 1 });
  return plan.target;
}

function compile(command: string, args: string[]): Promise<{ ok: boolean; output: string }> {
  return new Promise((done) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', (error) => done({ ok: false, output: error.message }));
    child.on('close', (code) => done({ ok: code === 0, output }));
  });
}
