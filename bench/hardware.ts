import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

/** The machine in words: processor and GPUs, and how busy it was when asked. */
export function hardware(gpu: boolean): string {
  const model = cpus()[0]?.model.trim() ?? process.arch;
  const parts = [`${availableParallelism()} cores of ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB`];
  if (gpu) {
    const asked = spawnSync('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader'], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    parts.unshift(
      asked.status === 0 ? asked.stdout.trim().split('\n')[0].replace(', ', ' (driver ') + ')' : 'a GPU that nvidia-smi does not name',
    );
  }
  const load = loadavg()[0];
  // a busy machine makes figures that nobody can repeat: say so beside them
  if (load > 0.5) parts.push(`load ${load.toFixed(1)} before the start`);
  return parts.join('; ');
}
