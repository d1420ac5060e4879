import type { SingleBar } from 'cli-progress';
import { UserError } from '../util/errors';
import { fileError } from '../util/files';
import type { Progress, ProgressEvent } from '../util/progress';
import { nearest } from '../util/suggest';

/** Between two plain lines of one stage, where no terminal shows a bar. */
const PLAIN_LINE_EVERY_MS = 10_000;

/** Frees the line that a bar is drawn on, so that a printed line does not run into it. */
let clearBar: () => void = () => {};

/** One line for the user on standard output. Progress and errors go to standard error. */
export function print(line: string): void {
  clearBar();
  process.stdout.write(`${line}\n`);
}

/** One line beside the results: on standard error, so that output piped elsewhere stays clean. */
export function note(line: string): void {
  clearBar();
  process.stderr.write(`${line}\n`);
}

/**
 * Runs a command. A `UserError` or a file system error ends it with one line `error: …` and exit code 1, anything else with a
 * stack, since it is a bug of ours. A command that wants another exit code sets `process.exitCode` itself.
 */
export function runCli(main: () => Promise<void>): void {
  // `dpo-… | head` closes the pipe early: the lines are lost, the work goes on
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  main().catch((error: unknown) => {
    clearBar();
    const { path, syscall } = error as NodeJS.ErrnoException;
    const shown = syscall !== undefined ? fileError(error, syscall, path ?? 'a file') : error;
    process.stderr.write(shown instanceof UserError ? `error: ${shown.message}\n` : `${(shown as Error)?.stack ?? String(shown)}\n`);
    process.exit(1);
  });
}

/**
 * For yargs' `.fail(usageErrors(flags))`: its complaint as a `UserError`, with the nearest known flag for an unknown one.
 * @param flags every flag's name, without dashes
 */
export function usageErrors(flags: readonly string[]): (message: string | null, error: Error | undefined) => never {
  return (message, error) => {
    // yargs' own complaints may come as errors of its own kind
    if (error && error.name !== 'YError') throw error;
    const unknown = /^Unknown arguments?: (.*)$/.exec(message ?? '')?.[1].split(', ');
    if (!unknown) throw new UserError(`${(message ?? 'bad arguments').replace(/\s*\n\s*/g, ' ')} (see --help)`);
    // yargs names a flag twice, as typed and in camel case
    const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const names = [...new Set(unknown.map(kebab))];
    const complaints = names.map((name) => {
      const guess = nearest(name, flags);
      return flags.includes(name) || guess === undefined
        ? `unknown argument "${name}"`
        : `unknown option --${name}; did you mean --${guess}?`;
    });
    throw new UserError(`${complaints.join('; ')} (see --help)`);
  };
}

/** Reports of long work for people: a bar on a terminal, a line now and then elsewhere. Call `stop` when the work is over. */
export function cliProgress(stream: NodeJS.WriteStream = process.stderr): { progress: Progress; stop(): void } {
  return stream.isTTY ? barProgress(stream) : lineProgress(stream);
}

function barProgress(stream: NodeJS.WriteStream): { progress: Progress; stop(): void } {
  const { SingleBar: Bar } = require('cli-progress') as typeof import('cli-progress');
  const clock = stageClock();
  let bar: SingleBar | undefined;
  let stage = '';
  // cleared and drawn afresh after each printed line: cli-progress goes back to where it started, wherever the text is by then
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
    clearBar = () => {};
  };
  const progress: Progress = (event) => {
    if (bar && event.stage !== stage) stop();
    stage = event.stage;
    const left = clock(event);
    if (!bar) {
      if (event.total <= 0) return;
      bar = new Bar({
        stream,
        format: (_options, _params, payload: { event: ProgressEvent; left: string }) =>
          barLine(payload.event, payload.left, stream.columns || 80),
        // a bar that redraws by timer would hold the process open; every report redraws at most this often
        fps: 10,
        forceRedraw: false,
        hideCursor: false,
        clearOnComplete: true,
        noTTYOutput: false,
        gracefulExit: false,
      });
      bar.start(event.total, event.done, { event, left });
      clearBar = stop;
    } else {
      bar.setTotal(event.total);
      bar.update(event.done, { event, left });
    }
    if (event.done >= event.total) {
      stop();
      stream.write(`${plainLine(event, '')}\n`);
    }
  };
  return { progress, stop };
}

function lineProgress(stream: NodeJS.WriteStream): { progress: Progress; stop(): void } {
  const clock = stageClock();
  let stage = '';
  let shownAt = 0;
  let shownDone = -1;
  const progress: Progress = (event) => {
    const left = clock(event);
    const now = Date.now();
    const fresh = event.stage !== stage;
    const finished = event.done >= event.total && shownDone !== event.done;
    if (event.total <= 0 || (!fresh && !finished && now - shownAt < PLAIN_LINE_EVERY_MS)) return;
    stage = event.stage;
    shownAt = now;
    shownDone = event.done;
    stream.write(`${plainLine(event, left)}\n`);
  };
  return { progress, stop: () => {} };
}

function plainLine(event: ProgressEvent, left: string): string {
  return [`${event.stage} ${event.done}/${event.total}`, ...shownFields(event), ...(left ? [left] : [])].join(', ');
}

/** `stage ███░░░ 12/60, loss 0.52, 3 min left`, cut to the terminal's width. */
function barLine(event: ProgressEvent, left: string, columns: number): string {
  const text = [`${event.done}/${event.total}`, ...shownFields(event), ...(left ? [left] : [])].join(', ');
  const width = Math.max(5, Math.min(30, columns - event.stage.length - text.length - 4));
  const filled = Math.round((width * Math.min(event.done, event.total)) / event.total);
  return `${event.stage} ${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${text}`.slice(0, columns - 1);
}

function shownFields(event: ProgressEvent): string[] {
  return Object.entries(event.fields ?? {}).map(([name, value]) => {
    const shown = typeof value === 'string' ? value : Number.isInteger(value) ? String(value) : value.toPrecision(3);
    // a name that is a unit follows its number
    return name.includes('/') ? `${shown} ${name}` : `${name} ${shown}`;
  });
}

/** The time left of each stage, from the pace since its first report; other stages in between (evaluations) count as part of it. */
function stageClock(): (event: ProgressEvent) => string {
  const starts = new Map<string, { time: number; done: number }>();
  return (event) => {
    const now = Date.now();
    const known = starts.get(event.stage);
    const start = known && known.done <= event.done ? known : { time: now, done: event.done };
    starts.set(event.stage, start);
    if (event.done >= event.total) starts.delete(event.stage);
    if (event.done <= start.done || event.done >= event.total) return '';
    const seconds = ((now - start.time) / 1000 / (event.done - start.done)) * (event.total - event.done);
    return `${duration(seconds)} left`;
  };
}

/** `42 s`, `3 min`, `1 h 20 min`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
